package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;
import java.util.TreeSet;

/**
 * Keeps objects in a folder of a file system with hard links. The address is the folder; there are no options.
 *
 * @since 0.1
 */
public final class LocalBlobStoreProvider implements BlobStoreProvider {
    /** Makes the provider. */
    public LocalBlobStoreProvider() {}

    @Override
    public String name() {
        return "local";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("file");
    }

    @Override
    public BlobStore open(BlobStoreConfig config) {
        return open(folder(config));
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        return create(folder(config));
    }

    /** Opens a folder of any file system. */
    static BlobStore open(Path root) {
        try {
            requireFolder(root, Files.readAttributes(root, BasicFileAttributes.class));
        } catch (IOException e) {
            if (FileErrors.isAbsent(root, e)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND, Resource.named(root.toString()), "there is no folder " + root, e);
            }
            throw FileErrors.of("can not open " + root, Resource.named(root.toString()), e);
        }
        return new LocalBlobStore(root);
    }

    /** Prepares a folder of any file system. */
    static BlobStore create(Path root) {
        NewPlace place = new NewPlace(root);
        try {
            place.prepare();
            return new LocalBlobStore(root);
        } catch (RuntimeException | Error e) {
            place.undo(e);
            throw e;
        }
    }

    static void requireFolder(Path root, BasicFileAttributes attributes) {
        if (!attributes.isDirectory()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT, Resource.named(root.toString()), root + " is not a folder");
        }
    }

    private Path folder(BlobStoreConfig config) {
        if (!config.options().isEmpty()) {
            throw invalid(
                    config,
                    "a store in a folder has no options; remove "
                            + new TreeSet<>(config.options().keySet()));
        }
        if (!schemes().contains(config.scheme())) {
            throw invalid(config, "not an address of a folder: " + config.address());
        }
        if (config.rest().isEmpty()) {
            throw invalid(config, "an address of a folder needs a path behind 'file:'");
        }
        try {
            return Path.of(config.rest()).toAbsolutePath();
        } catch (InvalidPathException e) {
            throw invalid(config, "not a path: " + e.getMessage());
        }
    }

    private static GenieVmException invalid(BlobStoreConfig config, String message) {
        return new GenieVmException(ErrorCode.INVALID_ARGUMENT, Resource.named(config.address()), message);
    }
}
