package io.genievm.core.internal.plan;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import java.nio.ByteBuffer;

/**
 * Reads ranges of any length in requests that the limits allow.
 *
 * @param disk whose reader it is, for messages
 * @param reader the reader, which stays the caller's
 * @param limits what it may be asked for
 */
public record BoundedReader(DiskId disk, DiskReader reader, DiskLimits limits) {
    /** Fills a buffer from its position to its limit. */
    public void read(long offset, ByteBuffer target) {
        int end = target.limit();
        long at = offset;
        while (target.position() < end) {
            int to = Math.min(end, target.position() + limits.maxRequest());
            int length = to - target.position();
            reader.read(at, target.limit(to));
            // Not what the buffer has left: the driver may have moved its limit as well.
            if (target.position() != to) {
                throw new GenieVmException(
                        ErrorCode.DRIVER_CONTRACT_BROKEN,
                        "the driver's reader of disk '" + disk + "' left " + (to - target.position()) + " of " + length
                                + " bytes unread");
            }
            at += length;
        }
    }
}
