package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.function.Consumer;

/** What the ability to make VMs has to keep. For one test. */
final class CreationRules {
    private final DriverUnderTest driver;
    private final VmCreation creation;
    private final Consumer<VmId> removeVm;

    CreationRules(DriverUnderTest driver, VmCreation creation, Consumer<VmId> removeVm) {
        this.driver = driver;
        this.creation = creation;
        this.removeVm = removeVm;
    }

    void createsVm() {
        VmCreation.NewVmRequest request = newVm(Cancellation.NEVER);
        VmId id;
        try (VmCreation.NewVm vm = creation.create(request)) {
            driver.known().disks().forEach((disk, bytes) -> fill(vm, disk, bytes));
            assertThat(ids()).as("VMs before it is complete").doesNotContain(request.name());
            id = vm.complete();
        }
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(id, driver.request().build())) {
            assertThat(snapshot.disks()).hasSameSizeAs(driver.known().disks().keySet());
            for (SnapshotDisk disk : snapshot.disks()) {
                assertThat(Disks.read(disk)).isEqualTo(driver.bytes(disk));
            }
            snapshot.abandoned();
        } finally {
            removeVm.accept(id);
        }
    }

    void removesIncompleteVm() {
        List<VmSummary> before = driver.connection().vms().vms();
        VmCreation.NewVm vm = creation.create(newVm(Cancellation.NEVER));
        driver.known().disks().forEach((disk, bytes) -> fill(vm, disk, bytes));
        vm.close();
        vm.close();

        assertThat(driver.connection().vms().vms()).isEqualTo(before);
    }

    void doesNotReplaceVm() {
        VmCreation.NewVmRequest request = newVm(Cancellation.NEVER);
        try (VmCreation.NewVm first = creation.create(request);
                VmCreation.NewVm second = creation.create(request)) {
            VmId id = first.complete();
            try {
                assertFails(ErrorCode.ALREADY_EXISTS, second::complete);
                assertFails(ErrorCode.ALREADY_EXISTS, () -> creation.create(request));
                assertThat(Collections.frequency(ids(), request.name())).isEqualTo(1);
            } finally {
                removeVm.accept(id);
            }
        }
    }

    void refusesBadCreation() {
        List<VmSummary> before = driver.connection().vms().vms();
        VmCreation.NewVmRequest good = newVm(Cancellation.NEVER);
        VmCreation.NewVmRequest optioned = new VmCreation.NewVmRequest(
                good.name(), good.disks(), Map.of(), Map.of("no-such-option", "1"), Cancellation.NEVER);

        assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> creation.create(optioned)))
                .hasMessageContaining("no-such-option");
        assertFails(ErrorCode.CANCELLED, () -> creation.create(newVm(new DriverUnderTest.Cancelled())));

        assertThat(driver.connection().vms().vms()).isEqualTo(before);
    }

    private VmCreation.NewVmRequest newVm(Cancellation cancellation) {
        List<VmDescription.Disk> disks = driver.known().disks().entrySet().stream()
                .map(disk -> new VmDescription.Disk(disk.getKey(), disk.getValue().length))
                .toList();
        return new VmCreation.NewVmRequest("contract-" + UUID.randomUUID(), disks, Map.of(), Map.of(), cancellation);
    }

    /** Writes the second half first, garbage into a part that is zeroed later, and then the first half. */
    private static void fill(VmCreation.NewVm vm, DiskId disk, byte[] bytes) {
        try (DiskWriter writer = vm.openWriter(disk)) {
            int alignment = writer.limits().alignment();
            int half = bytes.length / 2 / alignment * alignment;
            Disks.write(writer, bytes, half, bytes.length);
            if (half > 0) {
                byte[] garbage = new byte[half];
                new Random(3).nextBytes(garbage);
                Disks.write(writer, garbage, 0, half);
                writer.zero(0, half);
                Disks.writeNonZero(writer, bytes, half);
            }
            writer.flush();
        }
    }

    private List<String> ids() {
        return driver.connection().vms().vms().stream().map(VmSummary::name).toList();
    }
}
