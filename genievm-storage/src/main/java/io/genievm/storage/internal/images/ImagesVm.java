package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.VmDescription;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A VM as it was found: its images in the order of their ids, and what lies among them and was ignored. */
record ImagesVm(VmId id, List<Image> images, List<DriverFact> facts) {
    /** One image. The file is no link. */
    record Image(DiskId id, Path file, long capacity) {}

    VmDescription description() {
        List<VmDescription.Disk> disks = images.stream()
                .map(image -> new VmDescription.Disk(image.id(), image.capacity()))
                .toList();
        return new VmDescription(id, id.value(), disks, Map.of(), facts);
    }
}
