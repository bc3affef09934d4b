package io.genievm.core.internal.backup;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.core.internal.spi.IoBuffers;
import java.nio.ByteBuffer;

/** One disk of a snapshot, as a place to read from. Safe for use by several threads. */
final class DiskSource implements AutoCloseable {
    private final SnapshotDisk disk;
    private final long capacity;
    private final boolean lenient;
    private final ReaderPool readers;
    private volatile boolean lost;

    /**
     * Makes a source.
     *
     * @param disk the disk
     * @param lenient whether what can not be read any more, because the disk has changed, is taken for zeroes
     */
    DiskSource(SnapshotDisk disk, boolean lenient) {
        this.disk = disk;
        this.capacity = disk.capacity();
        this.lenient = lenient;
        this.readers = new ReaderPool(disk);
    }

    SnapshotDisk disk() {
        return disk;
    }

    long capacity() {
        return capacity;
    }

    /** How many reads may be under way at a time. */
    int concurrency() {
        return readers.concurrency();
    }

    /** Whether zeroes were taken for what could not be read. */
    boolean isLost() {
        return lost;
    }

    /**
     * Reads a run into a buffer, which is then ready to be got from; where that is allowed, chunk by chunk around what the
     * disk does not have any more.
     */
    void read(long offset, int length, int chunkSize, ByteBuffer buffer) {
        try {
            readers.read(offset, buffer.clear().limit(length));
        } catch (GenieVmException e) {
            if (!lenient || !e.code().equals(ErrorCode.SOURCE_CHANGED)) {
                throw e;
            }
            // What has failed may have left any limit.
            buffer.clear();
            for (int at = 0; at < length; at += chunkSize) {
                readChunk(offset + at, buffer.slice(at, Math.min(chunkSize, length - at)));
            }
        }
        buffer.clear().limit(length);
    }

    private void readChunk(long offset, ByteBuffer chunk) {
        try {
            readers.read(offset, chunk);
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.SOURCE_CHANGED)) {
                throw e;
            }
            IoBuffers.fillWithZeroes(chunk, 0, chunk.capacity());
            lost = true;
        }
    }

    /** Breaks off reads under way; waits for none of them. */
    @Override
    public void close() {
        readers.close();
    }
}
