package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What came of one disk.
 *
 * @param planned what was to be done
 * @param root the id of its map's root page, or {@code null} where everything is zero
 * @param comparison with the parent
 * @param audit what its audit found
 * @param readBytes bytes read, without the audit
 * @param storedBytes bytes added to the repository
 * @param consistent whether all of it is of one moment
 */
record CopiedDisk(
        PlannedDisk planned,
        byte @Nullable [] root,
        LeafComparison comparison,
        Auditor.Finding audit,
        long readBytes,
        long storedBytes,
        boolean consistent) {
    private static final int MAX_EXTENTS = 1000;

    DiskId id() {
        return planned.source().disk().id();
    }

    /** The ranges that differ although they were called unchanged; neighbours are merged when there are too many. */
    List<Extent> lies(int chunkSize) {
        return audit.isMismatch()
                ? comparison
                        .lies()
                        .extents(MAX_EXTENTS, chunkSize, planned.source().capacity())
                : List.of();
    }
}
