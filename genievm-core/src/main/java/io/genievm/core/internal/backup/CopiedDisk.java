package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.core.DiskPlan;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.plan.ChunkBitmap;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What came of one disk.
 *
 * @param planned what was to be done
 * @param root the id of its map's root page, or {@code null} where everything is zero
 * @param comparison with the parent
 * @param finding what its audit found
 * @param readBytes bytes read, without the audit
 * @param storedBytes bytes added to the repository
 * @param consistent whether all of it is of one moment
 */
record CopiedDisk(
        PlannedDisk planned,
        byte @Nullable [] root,
        LeafComparison comparison,
        Auditor.Finding finding,
        long readBytes,
        long storedBytes,
        boolean consistent) {
    private static final int MAX_EXTENTS = 1000;

    DiskId id() {
        return planned.source().disk().id();
    }

    /** Whether all of it was read, or compared, and is of one moment. */
    boolean isProven() {
        return consistent && planned.isProving();
    }

    /** The ranges that differ although they were called unchanged; neighbours are merged when there are too many. */
    List<Extent> lies(int chunkSize) {
        return comparison.lies().extents(MAX_EXTENTS, chunkSize, capacity());
    }

    /** What was compared of what the driver calls unchanged, or {@code null} where nothing was. */
    Manifest.@Nullable Audit audit(int chunkSize) {
        ChunkBitmap changed = planned.calledChanged();
        if (planned.audit() != null) {
            Integer stripe = planned.audit().stripe();
            return new Manifest.Audit(
                    stripe == null ? null : stripe.longValue(), finding.comparedBytes(), lies(chunkSize));
        }
        if (changed == null || planned.plan() == DiskPlan.CHANGED) {
            return null;
        }
        // All of it was read and compared on the way.
        return new Manifest.Audit(null, capacity() - changed.bytes(chunkSize, capacity()), lies(chunkSize));
    }

    private long capacity() {
        return planned.source().capacity();
    }
}
