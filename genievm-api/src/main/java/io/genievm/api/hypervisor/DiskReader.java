package io.genievm.api.hypervisor;

import java.nio.ByteBuffer;

/**
 * Reads one disk of a snapshot. As many threads call {@link #read} at a time as
 * {@link DiskLimits#requestsPerReader()} allows.
 *
 * @since 0.1
 */
public interface DiskReader extends AutoCloseable {
    /**
     * Fills a buffer, completely or not at all: there are no short reads.
     *
     * @param offset the first byte of the disk to read, within {@link DiskLimits}
     * @param target a direct buffer, filled from its position to its limit, which becomes its position; the range lies
     *     inside the capacity and within {@link DiskLimits}. Owned by the caller: no reference is kept. When this
     *     throws, position and content are undefined
     * @throws io.genievm.api.GenieVmException with an I/O code, with {@code SOURCE_CHANGED} when the disk has become
     *     shorter, or {@code CLOSED} when the reader was closed, also by another thread meanwhile
     */
    void read(long offset, ByteBuffer target);

    /** Releases the reader. Calls under way in other threads fail with {@code CLOSED}. Does nothing the second time. */
    @Override
    void close();
}
