package io.genievm.api.hypervisor;

/**
 * What readers of a disk may be asked for; for a {@link DiskWriter} and a {@link DiskWriting.WritableDisk} the same, of
 * which there is always one.
 *
 * @param readers how many readers (or writers) may be open at a time, 1 or more
 * @param requestsPerReader how many calls may be under way at a time on one of them, from several threads; 1 means that
 *     calls come one after another
 * @param maxRequest the largest number of bytes of one call; at least 65 536 and a multiple of the alignment
 * @param alignment what offset and length of every call are a multiple of, a power of two from 1 to 65 536; only the
 *     last call of a disk may end unaligned, at the capacity
 * @since 0.1
 */
public record DiskLimits(int readers, int requestsPerReader, int maxRequest, int alignment) {
    /** One reader that takes any number of calls at a time, of up to 16 MiB and at any offset. */
    public static final DiskLimits FILE = new DiskLimits(1, Integer.MAX_VALUE, 16 << 20, 1);

    /**
     * Checks the limits.
     *
     * @param readers number of readers
     * @param requestsPerReader calls at a time
     * @param maxRequest bytes
     * @param alignment bytes
     * @throws IllegalArgumentException when one of them is out of the bounds that the record gives
     */
    public DiskLimits {
        if (readers < 1
                || requestsPerReader < 1
                || alignment < 1
                || alignment > 65536
                || Integer.bitCount(alignment) != 1
                || maxRequest < 65536
                || maxRequest % alignment != 0) {
            throw new IllegalArgumentException("disk limits out of bounds: readers " + readers + ", requestsPerReader "
                    + requestsPerReader + ", maxRequest " + maxRequest + ", alignment " + alignment);
        }
    }
}
