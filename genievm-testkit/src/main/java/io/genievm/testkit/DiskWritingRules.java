package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;

/** What the ability to write into the disks of a VM has to keep. Leaves the disks as it has found them. For one test. */
final class DiskWritingRules {
    private final DiskWriting writing;
    private final KnownVm vm;

    DiskWritingRules(DiskWriting writing, KnownVm vm) {
        this.writing = writing;
        this.vm = vm;
    }

    /** Says what else is to be looked at while the disks hold something else than before. */
    interface Look {
        void at(Map<DiskId, byte[]> contents);
    }

    void readsWhatIsThere() {
        vm.disks().forEach((id, bytes) -> {
            try (DiskWriting.WritableDisk disk = writing.openDisk(vm.id(), id)) {
                assertThat(disk.capacity()).as("capacity of disk '%s'", id).isEqualTo(bytes.length);
                assertThat(disk.limits())
                        .isEqualTo(disk.limits())
                        .isEqualTo(disk.writer().limits());
                assertThat(disk.reader()).isSameAs(disk.reader());
                assertThat(disk.writer()).isSameAs(disk.writer());
                assertHolds(disk, id, bytes);
            }
        });
    }

    /** Changes all disks, out of order; they must hold it at once, and when they are opened anew. */
    void writes(Look look) {
        Map<DiskId, byte[]> changed = new HashMap<>();
        try {
            vm.disks().forEach((id, bytes) -> {
                byte[] content = bytes.clone();
                changed.put(id, content);
                try (DiskWriting.WritableDisk disk = writing.openDisk(vm.id(), id)) {
                    change(disk.writer(), content);
                    assertHolds(disk, id, content);
                    disk.writer().flush();
                }
                try (DiskWriting.WritableDisk disk = writing.openDisk(vm.id(), id)) {
                    assertHolds(disk, id, content);
                }
            });
            look.at(changed);
        } finally {
            changed.keySet().forEach(this::putBack);
        }
    }

    void refusesWhatIsNotThere() {
        DiskId disk = vm.disks().lastKey();
        assertFails(ErrorCode.NOT_FOUND, () -> writing.openDisk(vm.id(), new DiskId("no-such-disk")));
        assertFails(ErrorCode.NOT_FOUND, () -> writing.openDisk(new VmId("no-such-vm-" + UUID.randomUUID()), disk));
    }

    void refusesWhenClosed() {
        vm.disks().forEach((id, bytes) -> {
            DiskWriting.WritableDisk disk = writing.openDisk(vm.id(), id);
            int length = Math.min(disk.limits().alignment(), bytes.length);
            disk.close();
            disk.close();
            if (length > 0) {
                assertFails(ErrorCode.CLOSED, () -> disk.reader().read(0, ByteBuffer.allocateDirect(length)));
                assertFails(ErrorCode.CLOSED, () -> disk.writer().write(0, ByteBuffer.allocateDirect(length)));
                assertFails(ErrorCode.CLOSED, () -> disk.writer().zero(0, length));
            }
            try (DiskWriting.WritableDisk again = writing.openDisk(vm.id(), id)) {
                assertHolds(again, id, bytes);
            }
        });
    }

    /** Writes the end before the beginning, zeroes across both, and writes once more into what was zeroed. */
    private static void change(DiskWriter writer, byte[] content) {
        int alignment = writer.limits().alignment();
        int quarter = content.length / 4 / alignment * alignment;
        Random random = new Random(11);
        write(writer, content, 3 * quarter, content.length, random);
        write(writer, content, 0, 2 * quarter, random);
        zero(writer, content, quarter, 3 * quarter);
        write(writer, content, 2 * quarter, Math.min(content.length, 2 * quarter + alignment), random);
    }

    private static void write(DiskWriter writer, byte[] content, int start, int end, Random random) {
        byte[] bytes = new byte[Math.max(0, end - start)];
        random.nextBytes(bytes);
        System.arraycopy(bytes, 0, content, start, bytes.length);
        Disks.write(writer, content, start, end);
    }

    private static void zero(DiskWriter writer, byte[] content, int start, int end) {
        if (start < end) {
            Arrays.fill(content, start, end, (byte) 0);
            writer.zero(start, end - start);
        }
    }

    private void putBack(DiskId id) {
        try (DiskWriting.WritableDisk disk = writing.openDisk(vm.id(), id)) {
            byte[] bytes = Objects.requireNonNull(vm.disks().get(id));
            if (bytes.length > 0) {
                disk.writer().zero(0, bytes.length);
                Disks.writeNonZero(disk.writer(), bytes, bytes.length);
            }
            disk.writer().flush();
        }
    }

    private static void assertHolds(DiskWriting.WritableDisk disk, DiskId id, byte[] expected) {
        byte[] got = new byte[expected.length];
        if (got.length > 0) {
            Disks.read(disk.reader(), disk.limits(), new Extent(0, got.length), got);
        }
        assertThat(Arrays.mismatch(got, expected))
                .as("the first byte of disk '%s' that is wrong", id)
                .isEqualTo(-1);
    }
}
