package io.genievm.core.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.core.RestoreRequest;
import io.genievm.core.internal.format.Manifest;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A new VM, made by a driver. For one thread at a time. */
final class VmTarget implements RestoreTarget {
    private final VmCreation.NewVm created;
    private @Nullable VmId vm;

    VmTarget(RestoreRequest.VmTarget target, Manifest manifest, List<Manifest.Disk> disks, Cancellation cancellation) {
        VmCreation creation = target.connection()
                .ability(VmCreation.class)
                .orElseThrow(() -> new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(target.connection().providerName()),
                        "the driver '" + target.connection().providerName()
                                + "' can not make VMs; restore to a folder instead"));
        Map<String, String> hardware =
                manifest.provider().equals(target.connection().providerName()) ? manifest.hardware() : Map.of();
        this.created = creation.create(new VmCreation.NewVmRequest(
                target.name(),
                disks.stream()
                        .map(disk -> new VmDescription.Disk(disk.id(), disk.capacity()))
                        .toList(),
                hardware,
                target.options(),
                cancellation));
    }

    @Override
    public DiskWriter openWriter(Manifest.Disk disk) {
        return created.openWriter(disk.id());
    }

    @Override
    public String complete(Set<Integer> damaged) {
        if (!damaged.isEmpty()) {
            return "no VM was made; restore to a folder to get what is whole";
        }
        vm = created.complete();
        return "";
    }

    @Override
    public List<Path> files() {
        return List.of();
    }

    @Override
    public @Nullable VmId vm() {
        return vm;
    }

    @Override
    public void close() {
        created.close();
    }
}
