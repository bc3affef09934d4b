package io.genievm.storage.internal.file;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;

/** A file of a {@link FaultyFileSystem}. */
final class FaultyFileChannel extends FileChannel {
    private final FaultyFileSystem system;
    private final Path path;
    private final FileChannel below;

    FaultyFileChannel(FaultyFileSystem system, Path path, FileChannel below) {
        this.system = system;
        this.path = path;
        this.below = below;
    }

    @Override
    public int read(ByteBuffer target) throws IOException {
        system.at(Faults.Operation.READ, path);
        return below.read(target);
    }

    @Override
    public long read(ByteBuffer[] targets, int offset, int length) throws IOException {
        system.at(Faults.Operation.READ, path);
        return below.read(targets, offset, length);
    }

    @Override
    public int read(ByteBuffer target, long position) throws IOException {
        system.at(Faults.Operation.READ, path);
        return below.read(target, position);
    }

    @Override
    public int write(ByteBuffer source) throws IOException {
        system.at(Faults.Operation.WRITE, path);
        return below.write(source);
    }

    @Override
    public long write(ByteBuffer[] sources, int offset, int length) throws IOException {
        system.at(Faults.Operation.WRITE, path);
        return below.write(sources, offset, length);
    }

    @Override
    public int write(ByteBuffer source, long position) throws IOException {
        system.at(Faults.Operation.WRITE, path);
        return below.write(source, position);
    }

    @Override
    public long position() throws IOException {
        return below.position();
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        below.position(newPosition);
        return this;
    }

    @Override
    public long size() throws IOException {
        return below.size();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        system.at(Faults.Operation.WRITE, path);
        below.truncate(size);
        return this;
    }

    @Override
    public void force(boolean metaData) throws IOException {
        system.at(Faults.Operation.FORCE, path);
        below.force(metaData);
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) throws IOException {
        system.at(Faults.Operation.READ, path);
        return below.transferTo(position, count, target);
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) throws IOException {
        system.at(Faults.Operation.WRITE, path);
        return below.transferFrom(source, position, count);
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) throws IOException {
        return below.map(mode, position, size);
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) throws IOException {
        return below.lock(position, size, shared);
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        return below.tryLock(position, size, shared);
    }

    @Override
    protected void implCloseChannel() throws IOException {
        below.close();
    }
}
