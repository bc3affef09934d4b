package io.genievm.core.internal.backup;

import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.task.ProgressMeter;
import java.util.concurrent.atomic.LongAdder;

/** One disk while it is copied. Safe for use by several threads. */
final class DiskCopy {
    final PlannedDisk planned;
    final LeafComparison comparison;
    final MapWriter map;
    final ProgressMeter.Disk meter;
    final LongAdder storedBytes = new LongAdder();

    DiskCopy(PlannedDisk planned, LeafComparison comparison, MapWriter map, ProgressMeter.Disk meter) {
        this.planned = planned;
        this.comparison = comparison;
        this.map = map;
        this.meter = meter;
    }
}
