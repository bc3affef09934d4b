package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Clock;
import java.util.Set;
import java.util.TreeSet;

/**
 * Takes a folder of disk images for a hypervisor. The address is {@code images:DIR}, where every folder in DIR is a VM
 * and every file in that folder is a raw image of one of its disks, or {@code images:FILE}, one image that is a VM with
 * one disk. There are no options.
 *
 * @since 0.1
 */
public final class ImagesProvider implements HypervisorProvider {
    /** Makes the provider. */
    public ImagesProvider() {}

    @Override
    public String name() {
        return "images";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("images");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        if (!config.options().isEmpty()) {
            throw invalid(
                    config.address(),
                    "images has no options; remove "
                            + new TreeSet<>(config.options().keySet()));
        }
        if (!schemes().contains(config.scheme()) || config.rest().isEmpty()) {
            throw invalid(config.address(), "an address of images is images:<folder or file>: " + config.address());
        }
        try {
            return open(Path.of(config.rest()).toAbsolutePath(), Clock.systemUTC());
        } catch (InvalidPathException e) {
            throw invalid(config.address(), "not a path: " + e.getMessage());
        }
    }

    /** Opens a folder or file of any file system. */
    static HypervisorConnection open(Path place, Clock clock) {
        try {
            // Looked at by its target: whoever names a link means what it points to.
            BasicFileAttributes attributes = Files.readAttributes(place, BasicFileAttributes.class);
            if (attributes.isDirectory()) {
                return new ImagesConnection(new FolderOfVms(place.toRealPath()), clock);
            }
            if (!attributes.isRegularFile()) {
                throw invalid(place.toString(), place + " is neither a folder nor a file; devices are not supported");
            }
            return new ImagesConnection(new LoneImage(place), clock);
        } catch (IOException e) {
            if (FileErrors.isAbsent(place, e)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.named(place.toString()),
                        "there is no folder or file " + place,
                        e);
            }
            throw FileErrors.of("can not open " + place, Resource.named(place.toString()), e);
        }
    }

    private static GenieVmException invalid(String resource, String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, Resource.named(resource), message);
    }
}
