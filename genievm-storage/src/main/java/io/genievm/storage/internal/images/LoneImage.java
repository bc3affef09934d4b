package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** One image that is a VM with one disk, both under the file's name. */
final class LoneImage implements Inventory {
    private final Path file;
    private final Path real;
    private final Path folder;
    private final VmId id;

    LoneImage(Path file) throws IOException {
        String objection = Entry.objectionToName(file);
        if (objection != null || Entry.isChangeList(file)) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(file.toString()),
                    file + " can not be a disk: " + (objection == null ? "it is a list of changes" : objection));
        }
        this.file = file;
        this.real = file.toRealPath();
        this.folder = file.resolveSibling("").toRealPath();
        this.id = new VmId(file.getFileName().toString());
    }

    @Override
    public Path place() {
        return real;
    }

    @Override
    public VmListing vms() {
        return new VmListing(List.of(new VmSummary(id, id.value())), List.of());
    }

    @Override
    public ImagesVm find(VmId vm) {
        if (!vm.equals(id)) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    Resource.of(vm),
                    "there is no VM '" + vm + "'; the image " + file + " is VM '" + id + "'");
        }
        try {
            ImagesVm.Image image = new ImagesVm.Image(new DiskId(id.value()), file, real, Files.size(real));
            return new ImagesVm(id, folder, List.of(image), List.of());
        } catch (IOException e) {
            throw FileErrors.of("can not look at " + file, Resource.of(vm), e);
        }
    }

    @Override
    public Optional<Path> folder() {
        return Optional.empty();
    }
}
