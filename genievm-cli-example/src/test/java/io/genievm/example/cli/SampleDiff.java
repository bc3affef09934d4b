package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.core.PointDiff;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Differences as the test likes them. */
record SampleDiff(SessionId from, SessionId to, List<PointDiff.Disk> disks) implements PointDiff {
    SampleDiff(SessionId from, SessionId to, PointDiff.Disk... disks) {
        this(from, to, List.of(disks));
    }

    @Override
    public long readBytes() {
        return 0;
    }

    @Override
    public void close() {}

    record Disk(
            DiskId id,
            @Nullable Long fromCapacity,
            @Nullable Long toCapacity,
            List<Extent> ranges) implements PointDiff.Disk {
        Disk(String id, @Nullable Long fromCapacity, @Nullable Long toCapacity, Extent... ranges) {
            this(new DiskId(id), fromCapacity, toCapacity, List.of(ranges));
        }

        @Override
        public ExtentCursor extents() {
            return ExtentCursor.of(ranges);
        }
    }
}
