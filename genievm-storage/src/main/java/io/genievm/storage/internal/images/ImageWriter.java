package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.internal.UncachedChannel;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Writes a new image, which is one hole at first. */
final class ImageWriter implements DiskWriter, Scope.Part {
    private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(1 << 16).asReadOnlyBuffer();

    /** The grain of what is remembered: 2 MiB of heap for a disk of 16 TiB. */
    private static final int REGION = 1 << 20;

    private final Path file;
    /** Shorter writes are better gathered by the kernel. */
    private static final int WORTH_A_REQUEST = 1 << 17;

    private final FileChannel channel;
    private final UncachedChannel uncached;
    private final long capacity;
    private final Resource resource;
    private final Consumer<ImageWriter> onClose;
    private final BitSet written = new BitSet();
    private volatile boolean closed;

    ImageWriter(Path file, FileChannel channel, long capacity, Resource resource, Consumer<ImageWriter> onClose) {
        this.file = file;
        this.channel = channel;
        this.uncached = UncachedChannel.open(file);
        this.capacity = capacity;
        this.resource = resource;
        this.onClose = onClose;
    }

    @Override
    public DiskLimits limits() {
        return UncachedChannel.NEW_FILE;
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        Ranges.require(offset, source.remaining(), capacity);
        requireOpen();
        if (source.hasRemaining()) {
            markWritten(offset, source.remaining());
            writeFully(offset, source);
        }
    }

    @Override
    public void zero(long offset, long length) {
        Ranges.require(offset, length, capacity);
        requireOpen();
        long end = offset + length;
        for (long at = nextWritten(offset, end); at < end; ) {
            long regionEnd = Math.min(end, (at / REGION + 1) * REGION);
            while (at < regionEnd) {
                int piece = (int) Math.min(ZEROES.capacity(), regionEnd - at);
                writeFully(at, ZEROES.duplicate().limit(piece));
                at += piece;
            }
            at = nextWritten(at, end);
        }
    }

    @Override
    public void flush() {
        requireOpen();
        try {
            channel.force(true);
        } catch (IOException e) {
            throw failure(0, e);
        }
    }

    @Override
    public void close() {
        closed = true;
        onClose.accept(this);
        try {
            uncached.close();
            channel.close();
        } catch (IOException e) {
            // What was flushed is safe, and more is not promised.
            return;
        }
    }

    private void writeFully(long offset, ByteBuffer source) {
        int bytes = source.remaining();
        long position = offset;
        try {
            while (source.hasRemaining()) {
                int direct = source.remaining() < WORTH_A_REQUEST ? 0 : uncached.write(source, position);
                position += direct > 0 ? direct : channel.write(source, position);
            }
        } catch (IOException e) {
            throw failure(bytes, e);
        }
    }

    private void markWritten(long offset, long length) {
        synchronized (written) {
            written.set((int) (offset / REGION), (int) ((offset + length - 1) / REGION) + 1);
        }
    }

    /** Gives the first offset from which on something may have been written, or the end. */
    private long nextWritten(long offset, long end) {
        if (offset >= end) {
            return end;
        }
        synchronized (written) {
            long region = written.nextSetBit((int) (offset / REGION));
            return region < 0 ? end : Math.min(end, Math.max(offset, region * REGION));
        }
    }

    private void requireOpen() {
        if (closed) {
            throw closed(null);
        }
    }

    private GenieVmException failure(int bytes, IOException cause) {
        return closed ? closed(cause) : FileErrors.ofWrite("can not write " + file, resource, file, bytes, cause);
    }

    private GenieVmException closed(@Nullable Throwable cause) {
        return new GenieVmException(ErrorCode.CLOSED, resource, "the writer of " + file + " is closed", cause);
    }
}
