package io.genievm.api.hypervisor;

import java.nio.ByteBuffer;

/**
 * Writes one disk, out of order. As many threads call at a time as {@link DiskLimits#requestsPerReader()} of its limits
 * allows; ranges under way at the same time do not overlap.
 *
 * @since 0.1
 */
public interface DiskWriter extends AutoCloseable {
    /**
     * What this writer may be asked for.
     *
     * @return the same for the life of the writer
     */
    DiskLimits limits();

    /**
     * Writes a buffer, completely or not at all as far as the answer goes: when this throws, any part may be written.
     *
     * @param offset the first byte of the disk to write, within {@link #limits()}
     * @param source written from its position to its limit, which becomes its position; owned by the caller, no
     *     reference is kept
     * @throws io.genievm.api.GenieVmException with {@code NO_SPACE}, an I/O code or {@code CLOSED}
     */
    void write(long offset, ByteBuffer source);

    /**
     * Makes a range read as zeroes, without taking space where the target can do that.
     *
     * @param offset the first byte, within {@link #limits()}
     * @param length bytes, 1 or more; not bound by the largest request
     * @throws io.genievm.api.GenieVmException with {@code NO_SPACE}, an I/O code or {@code CLOSED}
     */
    void zero(long offset, long length);

    /**
     * Makes everything written so far durable.
     *
     * @throws io.genievm.api.GenieVmException with {@code NO_SPACE} or an I/O code; what was written since the last
     *     flush may then be lost, and the writer is of no use any more
     */
    void flush();

    /** Releases the writer without flushing. Does nothing the second time. */
    @Override
    void close();
}
