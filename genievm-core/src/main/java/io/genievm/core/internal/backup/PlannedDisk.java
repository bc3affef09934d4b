package io.genievm.core.internal.backup;

import io.genievm.core.DiskPlan;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.PointMaps;
import org.jspecify.annotations.Nullable;

/**
 * What is to be done with one disk of a snapshot.
 *
 * @param source where it is read from
 * @param plan what is read
 * @param reason why not {@link DiskPlan#CHANGED}
 * @param allocated the chunks that may hold something else than zeroes
 * @param read the chunks to read and store
 * @param parent the parent's map of the disk, or {@code null} where it does not have it
 * @param base what the map goes on from, for {@link DiskPlan#CHANGED}
 * @param calledChanged the chunks that the driver says have changed, where it has said so; whatever else is read and differs
 *     from the parent shows that it was wrong
 * @param audit what of the others is compared, or {@code null}
 */
record PlannedDisk(
        DiskSource source,
        DiskPlan plan,
        @Nullable String reason,
        ChunkBitmap allocated,
        ChunkBitmap read,
        PointMaps.@Nullable Disk parent,
        MapWriter.@Nullable Base base,
        @Nullable ChunkBitmap calledChanged,
        @Nullable Audit audit) {
    /**
     * What is to be compared with the parent.
     *
     * @param chunks the chunks
     * @param stripe which stripe they are, or {@code null} for all
     * @param share which part of the disk it is to cover
     * @param next how later audits go on
     */
    record Audit(ChunkBitmap chunks, @Nullable Integer stripe, double share, Manifest.@Nullable AuditState next) {}

    /** The plan after its audit has found the driver to be wrong: nothing that it says is believed, not even of holes. */
    PlannedDisk mistrusted() {
        ChunkBitmap everything = ChunkBitmap.full(allocated.chunks());
        return new PlannedDisk(
                source, DiskPlan.SCAN, "AUDIT_MISMATCH", everything, everything, parent, null, calledChanged, audit);
    }

    /** Whether every chunk of the disk is read and hashed, or compared by the audit. */
    boolean isProving() {
        return plan != DiskPlan.CHANGED
                || calledChanged != null
                        && calledChanged.count() + (audit == null ? 0 : audit.chunks.count()) == calledChanged.chunks();
    }
}
