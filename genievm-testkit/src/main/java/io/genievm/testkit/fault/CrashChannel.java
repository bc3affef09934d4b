package io.genievm.testkit.fault;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.ArrayList;
import java.util.List;

/** An open file or folder of a {@link CrashFileSystem}. */
final class CrashChannel extends FileChannel {
    private static final int PIECE = 8192;

    private final CrashFileSystem system;
    private final Disk disk;
    private final CrashPath path;
    private final Node node;
    private final OpenMode mode;
    private final List<CrashLock> locks = new ArrayList<>();
    private long position;

    CrashChannel(CrashFileSystem system, CrashPath path, OpenMode mode) throws IOException {
        this.system = system;
        this.disk = system.disk();
        this.path = path;
        this.mode = mode;
        this.node = disk.open(path, mode);
    }

    @Override
    public synchronized int read(ByteBuffer target) throws IOException {
        int count = read(target, position);
        position += Math.max(0, count);
        return count;
    }

    @Override
    public synchronized long read(ByteBuffer[] targets, int offset, int length) throws IOException {
        for (int i = offset; i < offset + length; i++) {
            if (targets[i].hasRemaining()) {
                return read(targets[i]);
            }
        }
        return 0;
    }

    @Override
    public int read(ByteBuffer target, long at) throws IOException {
        requireReadable();
        requireNotNegative(at);
        system.at(CrashFileSystem.Call.READ, path);
        return disk.read(node, at, target);
    }

    @Override
    public synchronized int write(ByteBuffer source) throws IOException {
        if (mode.append()) {
            return append(source);
        }
        int count = write(source, position);
        position += count;
        return count;
    }

    private int append(ByteBuffer source) throws IOException {
        requireWritable();
        system.at(CrashFileSystem.Call.WRITE, path);
        int count = disk.write(node, null, source);
        position = disk.size(node);
        return count;
    }

    @Override
    public synchronized long write(ByteBuffer[] sources, int offset, int length) throws IOException {
        for (int i = offset; i < offset + length; i++) {
            if (sources[i].hasRemaining()) {
                return write(sources[i]);
            }
        }
        return 0;
    }

    @Override
    public int write(ByteBuffer source, long at) throws IOException {
        requireWritable();
        requireNotNegative(at);
        system.at(CrashFileSystem.Call.WRITE, path);
        return disk.write(node, at, source);
    }

    @Override
    public synchronized long position() throws IOException {
        requireOpen();
        return position;
    }

    @Override
    public synchronized FileChannel position(long newPosition) throws IOException {
        requireOpen();
        requireNotNegative(newPosition);
        position = newPosition;
        return this;
    }

    @Override
    public long size() throws IOException {
        requireOpen();
        return disk.size(node);
    }

    @Override
    public synchronized FileChannel truncate(long size) throws IOException {
        requireWritable();
        requireNotNegative(size);
        system.at(CrashFileSystem.Call.WRITE, path);
        disk.cut(node, size);
        position = Math.min(position, size);
        return this;
    }

    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        try {
            system.at(CrashFileSystem.Call.FORCE, path);
        } catch (IOException | RuntimeException | Error e) {
            disk.failForce(node);
            throw e;
        }
        disk.force(node);
    }

    @Override
    public long transferTo(long at, long count, WritableByteChannel target) throws IOException {
        ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, count));
        if (read(piece, at) <= 0) {
            return 0;
        }
        return target.write(piece.flip());
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long at, long count) throws IOException {
        ByteBuffer piece = ByteBuffer.allocate((int) Math.min(PIECE, count));
        if (source.read(piece) <= 0) {
            return 0;
        }
        piece.flip();
        long end = at;
        // What was taken from the source must not get lost.
        while (piece.hasRemaining()) {
            end += write(piece, end);
        }
        return end - at;
    }

    @Override
    public MappedByteBuffer map(MapMode mapMode, long at, long size) {
        throw new UnsupportedOperationException("no mapped memory");
    }

    @Override
    public FileLock lock(long at, long size, boolean shared) throws IOException {
        return tryLock(at, size, shared);
    }

    @Override
    public FileLock tryLock(long at, long size, boolean shared) throws IOException {
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
        CrashLock lock = disk.lock(this, node, at, size, shared);
        synchronized (locks) {
            locks.add(lock);
        }
        return lock;
    }

    boolean isLocked(CrashLock lock) {
        return disk.isLocked(node, lock);
    }

    void unlock(CrashLock lock) {
        disk.unlock(node, lock);
    }

    @Override
    protected void implCloseChannel() throws IOException {
        synchronized (locks) {
            locks.forEach(this::unlock);
        }
        disk.close(node, path, mode.deleteOnClose());
    }

    private void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    private void requireReadable() throws ClosedChannelException {
        requireOpen();
        if (!mode.read()) {
            throw new NonReadableChannelException();
        }
    }

    private void requireWritable() throws ClosedChannelException {
        requireOpen();
        if (!mode.write()) {
            throw new NonWritableChannelException();
        }
    }

    private static void requireNotNegative(long value) {
        if (value < 0) {
            throw new IllegalArgumentException(value + " is negative");
        }
    }
}
