package io.genievm.kvm.internal.snapshot;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.kvm.internal.KvmOptions;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import java.time.Clock;
import java.util.List;

/**
 * What a snapshot is of, and what is wanted of it.
 *
 * @param vm the VM
 * @param domain the same to libvirt
 * @param description the VM as it is now
 * @param disks the disks that take part
 * @param request what is wanted
 * @param marker whose snapshot it is
 * @param options how to work
 * @param clock what a checkpoint's time is taken from where libvirt does not draw it
 * @param facts told what is found
 */
record Subject(
        VmId vm,
        LibvirtDomain domain,
        VmDescription description,
        List<SelectedDisk> disks,
        SnapshotRequest request,
        Marker marker,
        KvmOptions options,
        Clock clock,
        Facts facts) {
    BackupFiles files() {
        return new BackupFiles(options, marker, domain.uuid());
    }

    /** Throws when the snapshot is not wanted any more. */
    void checkWanted() {
        if (request.cancellation().isCancelled()) {
            throw failure(ErrorCode.CANCELLED, "the snapshot of '" + vm + "' is not wanted any more");
        }
    }

    GenieVmException failure(ErrorCode code, String message) {
        return new GenieVmException(code, Resource.of(vm), message);
    }
}
