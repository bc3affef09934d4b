package io.genievm.storage.internal.local;

import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Local stores in a folder of a crash file system. */
final class CrashPlace implements BlobStoreProvider {
    static final BlobStoreConfig CONFIG = BlobStoreConfig.of("crash:place");

    private final Path root;

    CrashPlace(CrashFileSystem disk) {
        // A new store makes both folders.
        this.root = disk.getPath("/srv/store");
    }

    Path root() {
        return root;
    }

    /** The processes of before the crash were others than this one, though they were not. */
    void makeOwnersOthers() throws IOException {
        Path staging = root.resolve(Staging.NAME);
        if (Files.isDirectory(staging)) {
            List<Path> folders = new ArrayList<>();
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(staging)) {
                entries.forEach(folders::add);
            }
            for (Path folder : folders) {
                Files.move(folder, staging.resolve("before-" + folder.getFileName()));
            }
        }
    }

    @Override
    public String name() {
        return "crash";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("crash");
    }

    @Override
    public BlobStore open(BlobStoreConfig config) {
        return LocalBlobStoreProvider.open(root);
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        return LocalBlobStoreProvider.create(root);
    }
}
