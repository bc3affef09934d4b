package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** What must hold however many disks a VM has, however large they are, and of however many pieces. For one test. */
final class ScaleRules {
    /** How much more than what was written may be called allocated, for each place that was: the largest cluster. */
    private static final long CLUSTER = 4 << 20;

    private final DriverUnderTest driver;
    private final LargeVm vm;

    ScaleRules(DriverUnderTest driver, LargeVm vm) {
        this.driver = driver;
        this.vm = vm;
    }

    void sizeDoesNotMatter() {
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(vm.id(), driver.request().build())) {
            assertThat(snapshot.disks())
                    .as("disks of the large VM")
                    .extracting(SnapshotDisk::id)
                    .containsExactlyElementsOf(vm.disks().keySet());
            for (SnapshotDisk disk : snapshot.disks()) {
                LargeVm.Disk expected = expected(disk.id());
                assertThat(disk.capacity())
                        .as("capacity of disk '%s' in bytes", disk.id())
                        .isEqualTo(expected.capacity());
                assertAllocationIsClose(disk, expected);
                assertHolds(disk, expected);
            }
            snapshot.abandoned();
        }
    }

    private LargeVm.Disk expected(DiskId id) {
        LargeVm.Disk disk = vm.disks().get(id);
        if (disk == null) {
            throw new AssertionError("the large VM has no disk '" + id + "'");
        }
        return disk;
    }

    private void assertAllocationIsClose(SnapshotDisk disk, LargeVm.Disk expected) {
        List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
        int at = 0;
        for (Map.Entry<Long, byte[]> data : expected.data().entrySet()) {
            long offset = data.getKey();
            long end = offset + data.getValue().length;
            while (offset < end) {
                while (at < extents.size() && extents.get(at).end() <= offset) {
                    at++;
                }
                assertThat(at < extents.size() && extents.get(at).offset() <= offset)
                        .as("byte %d of disk '%s', which is not zero, is allocated", offset, disk.id())
                        .isTrue();
                offset = extents.get(at).end();
            }
        }
        if (driver.connection().capabilities().contains(Capability.ALLOCATION)) {
            long written = expected.data().values().stream()
                    .mapToLong(bytes -> bytes.length + CLUSTER)
                    .sum();
            assertThat(extents.stream().mapToLong(Extent::length).sum())
                    .as("allocated bytes of disk '%s', of which a full backup reads every one", disk.id())
                    .isLessThanOrEqualTo(Math.max(CLUSTER, written));
        }
    }

    private static void assertHolds(SnapshotDisk disk, LargeVm.Disk expected) {
        try (DiskReader reader = disk.openReader()) {
            expected.data()
                    .forEach((offset, bytes) -> assertThat(read(reader, disk, offset, bytes.length))
                            .as("bytes %d to %d of disk '%s'", offset, offset + bytes.length - 1, disk.id())
                            .isEqualTo(bytes));
            for (long offset : new long[] {0, disk.capacity() / 3, disk.capacity() / 2, disk.capacity() - 1}) {
                if (offset >= 0 && offset < disk.capacity() && isZero(expected, offset)) {
                    assertThat(read(reader, disk, offset, 1)[0])
                            .as("byte %d of disk '%s', which nobody has written", offset, disk.id())
                            .isZero();
                }
            }
        }
    }

    private static boolean isZero(LargeVm.Disk disk, long offset) {
        var before = disk.data().headMap(offset + 1);
        return before.isEmpty()
                || before.lastKey() + Objects.requireNonNull(before.get(before.lastKey())).length <= offset;
    }

    /** Reads a range that need not be aligned and may be larger than a request. */
    private static byte[] read(DiskReader reader, SnapshotDisk disk, long offset, int length) {
        DiskLimits limits = disk.limits();
        byte[] result = new byte[length];
        long start = offset / limits.alignment() * limits.alignment();
        long last = offset + length;
        while (start < last) {
            long end = Math.min(start + limits.maxRequest(), (last + limits.alignment() - 1) & -limits.alignment());
            ByteBuffer buffer = ByteBuffer.allocateDirect((int) (Math.min(end, disk.capacity()) - start));
            reader.read(start, buffer);
            buffer.flip();
            int skip = (int) Math.max(0, offset - start);
            int count = (int) Math.min(buffer.limit() - skip, last - start - skip);
            buffer.get(skip, result, (int) (start + skip - offset), count);
            start += buffer.limit();
        }
        return Arrays.copyOf(result, length);
    }
}
