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
            target.limit(Math.min(end, target.position() + limits.maxRequest()));
            int length = target.remaining();
            reader.read(at, target);
            if (target.hasRemaining()) {
                throw new GenieVmException(
                        ErrorCode.DRIVER_CONTRACT_BROKEN,
                        "the driver's reader of disk '" + disk + "' left " + target.remaining() + " of " + length
                                + " bytes unread");
            }
            at += length;
        }
    }
}
