package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import java.util.Set;

class TrackingHypervisorContractTest extends InMemoryHypervisorContractTest {
    @Override
    protected KnownVm knownVm() {
        KnownVm vm = super.knownVm();
        hypervisor().trackChanges(true);
        disk(vm.id(), new DiskId("one")).trackChanges(false);
        return vm;
    }

    @Override
    protected Set<DiskId> trackedDisks() {
        return Set.of(new DiskId("empty"), new DiskId("zeroes"), new DiskId("root"));
    }

    /** What a driver does that does not say how to write. */
    final void notOverridden(VmId vm, DiskId disk, long offset, byte[] bytes) throws Exception {
        super.write(vm, disk, offset, bytes);
    }

    @Override
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) {
        disk(vm, disk).write(offset, bytes);
    }

    @Override
    protected void zero(VmId vm, DiskId disk, long offset, long length) {
        disk(vm, disk).zero(offset, length);
    }

    @Override
    protected void loseTracking(VmId vm, DiskId disk) {
        disk(vm, disk).loseTracking();
    }

    InMemoryDisk disk(VmId vm, DiskId disk) {
        return hypervisor().vm(vm.value()).disk(disk.value());
    }
}
