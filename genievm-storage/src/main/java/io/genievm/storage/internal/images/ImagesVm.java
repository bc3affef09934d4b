package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.VmDescription;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A VM as it was found.
 *
 * @param id its id
 * @param top the real path of the folder that links must not leave
 * @param images its images in the order of their ids
 * @param facts what lies among the images and was ignored
 */
record ImagesVm(VmId id, Path top, List<Image> images, List<DriverFact> facts) {
    /**
     * One image.
     *
     * @param id the disk's id
     * @param path where it lies, which may be a link
     * @param file what is read, which is none
     * @param capacity its size in bytes
     */
    record Image(DiskId id, Path path, Path file, long capacity) {
        /** Where its list of changes would lie. */
        Path changeList() {
            return Entry.changeListOf(path);
        }
    }

    VmDescription description() {
        List<VmDescription.Disk> disks = images.stream()
                .map(image -> new VmDescription.Disk(image.id(), image.capacity()))
                .toList();
        return new VmDescription(id, id.value(), disks, Map.of(), facts);
    }
}
