package io.genievm.core;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;

/**
 * The parameters of a repository, chosen when it is created and never changed.
 *
 * @param chunkSize bytes of a chunk, the unit of deduplication: a power of two from 4 096 to 1 048 576
 * @param segmentSize the most bytes of chunks that are compressed together: a multiple of {@code chunkSize}, at most
 *     16 777 216
 * @param packSize bytes from which on a stored object is closed: 1 048 576 to 1 073 741 824, at least
 *     {@code segmentSize}
 * @since 0.1
 */
public record RepositoryOptions(int chunkSize, int segmentSize, int packSize) {
    /** 64 KiB chunks, the grain of the hypervisors' change tracking, in 1 MiB segments and 32 MiB packs. */
    public static final RepositoryOptions DEFAULT = new RepositoryOptions(64 << 10, 1 << 20, 32 << 20);

    /**
     * Checks the parameters.
     *
     * @param chunkSize bytes
     * @param segmentSize bytes
     * @param packSize bytes
     * @throws GenieVmException with {@code INVALID_ARGUMENT} when one is out of its bounds
     */
    public RepositoryOptions {
        if (chunkSize < 4096 || chunkSize > 1 << 20 || Integer.bitCount(chunkSize) != 1) {
            throw invalid("chunkSize", chunkSize, "a power of two from 4096 to 1048576");
        }
        if (segmentSize < chunkSize || segmentSize > 16 << 20 || segmentSize % chunkSize != 0) {
            throw invalid("segmentSize", segmentSize, "a multiple of chunkSize up to 16777216");
        }
        if (packSize < Math.max(1 << 20, segmentSize) || packSize > 1 << 30) {
            throw invalid("packSize", packSize, "1048576 to 1073741824 and at least segmentSize");
        }
    }

    private static GenieVmException invalid(String name, int value, String allowed) {
        return new GenieVmException(
                ErrorCode.INVALID_ARGUMENT, name + " can not be " + value + " bytes: allowed is " + allowed);
    }
}
