package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class InMemoryHypervisorTest {
    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final InMemoryVm vm = hypervisor.addVm("web");
    private final HypervisorConnection connection = hypervisor.connect();

    @Test
    @DisplayName("a disk reads as an array would, whatever is written, zeroed and resized")
    void diskIsLikeAnArray() {
        InMemoryDisk disk = vm.addDisk("a", 400_000);
        byte[] model = new byte[400_000];
        Random random = new Random(7);
        for (int i = 0; i < 300; i++) {
            int offset = random.nextInt(model.length + 1);
            int length = random.nextInt(Math.min(150_000, model.length - offset) + 1);
            if (random.nextInt(3) == 0) {
                disk.zero(offset, length);
                Arrays.fill(model, offset, offset + length, (byte) 0);
            } else {
                byte[] bytes = new byte[length];
                random.nextBytes(bytes);
                disk.write(offset, bytes);
                System.arraycopy(bytes, 0, model, offset, length);
            }
            if (random.nextInt(10) == 0) {
                int capacity = 200_000 + random.nextInt(300_000);
                disk.resize(capacity);
                model = Arrays.copyOf(model, capacity);
            }
            assertThat(disk.content()).isEqualTo(model);
        }
    }

    @Test
    @DisplayName("a snapshot does not see what is written later")
    void snapshotFreezes() {
        InMemoryDisk disk = vm.addDisk("a", new byte[] {1, 2, 3});
        try (VmSnapshot snapshot = begin()) {
            disk.write(0, new byte[] {9, 9, 9});
            disk.resize(1);
            vm.removeDisk("a");

            assertThat(Disks.read(snapshot.disks().get(0))).containsExactly(1, 2, 3);
        }
    }

    @Test
    @DisplayName("a huge disk takes memory only for what was written, and only that is allocated")
    void isSparse() {
        InMemoryDisk disk = vm.addDisk("a", 4L << 40);
        disk.write((4L << 40) - 1, new byte[] {1});
        disk.write(1L << 40, new byte[65_537]);
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk frozen = snapshot.disks().get(0);
            assertThat(Disks.extents(frozen.allocated(), frozen.capacity()))
                    .containsExactly(new Extent(1L << 40, 131_072), new Extent((4L << 40) - 65_536, 65_536));
        }
    }

    @Test
    @DisplayName("a hook sees every call, and what it throws comes out")
    void hookFails() {
        vm.addDisk("a", new byte[] {1, 2, 3});
        List<InMemoryHypervisor.Call> calls = new ArrayList<>();
        hypervisor.hook(event -> {
            calls.add(event.call());
            if (event.call() == InMemoryHypervisor.Call.READ) {
                assertThat(event.extent()).isEqualTo(new Extent(0, 3));
                throw new GenieVmException(ErrorCode.IO_ERROR, "as wished");
            }
        });
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            disk.allocated().close();
            try (DiskReader reader = disk.openReader()) {
                assertFails(ErrorCode.IO_ERROR, () -> reader.read(0, ByteBuffer.allocate(3)));
            }
            disk.confirmUnchanged();
            snapshot.abandoned();
        }
        assertThat(calls)
                .containsExactly(
                        InMemoryHypervisor.Call.BEGIN_SNAPSHOT,
                        InMemoryHypervisor.Call.ALLOCATED,
                        InMemoryHypervisor.Call.OPEN_READER,
                        InMemoryHypervisor.Call.READ,
                        InMemoryHypervisor.Call.CONFIRM_UNCHANGED,
                        InMemoryHypervisor.Call.ABANDONED,
                        InMemoryHypervisor.Call.CLOSE_SNAPSHOT);
        assertThat(hypervisor.openSnapshots()).isZero();
        assertThat(hypervisor.openReaders()).isZero();
    }

    @Test
    @DisplayName("what the SPI forbids its caller is refused")
    void refusesBrokenCallers() {
        vm.addDisk("a", new byte[8192]).limits(new DiskLimits(1, 1, 65_536, 4096));
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            DiskReader reader = disk.openReader();
            assertThatThrownBy(disk::openReader).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> reader.read(512, ByteBuffer.allocate(4096)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> reader.read(0, ByteBuffer.allocate(100)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> reader.read(8192, ByteBuffer.allocate(4096)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(snapshot::committed).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(disk::confirmUnchanged).isInstanceOf(IllegalStateException.class);
            reader.close();
            snapshot.committed();
            assertThatThrownBy(snapshot::abandoned).isInstanceOf(IllegalStateException.class);
        }
    }

    private VmSnapshot begin() {
        return connection.beginSnapshot(
                vm.id(),
                SnapshotRequest.builder(new RepositoryId("0".repeat(32)), new SessionId("1".repeat(32)))
                        .build());
    }
}
