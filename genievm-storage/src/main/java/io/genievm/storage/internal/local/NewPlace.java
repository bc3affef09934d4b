package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.internal.NewFolders;
import io.genievm.storage.internal.file.FileErrors;
import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Set;

/** A folder on its way to be a store, and how to undo that. */
final class NewPlace {
    /** What may lie in an empty place: made by mkfs; left by a process that was killed in this class. */
    private static final Set<String> NOTHING = Set.of("lost+found", Staging.NAME);

    private final Path root;
    private final NewFolders folders;

    NewPlace(Path root) {
        this.root = root;
        this.folders = new NewFolders(root, PrivateFiles::createFolder);
    }

    void prepare() {
        try {
            makeMissing();
            requireEmpty();
        } catch (IOException e) {
            throw FileErrors.ofWrite("can not create a store in " + root, Resource.named(root.toString()), root, 0, e);
        }
        LocalBlobStore store = new LocalBlobStore(root);
        try {
            store.probe();
        } finally {
            store.close();
        }
    }

    /** Removes the folders that were made. What goes wrong is added to the failure that led here. */
    void undo(Throwable failure) {
        folders.undo(failure);
    }

    private void makeMissing() throws IOException {
        folders.make();
        LocalBlobStoreProvider.requireFolder(root, Files.readAttributes(root, BasicFileAttributes.class));
        folders.syncAbove();
    }

    private void requireEmpty() throws IOException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(root)) {
            for (Path entry : entries) {
                if (!NOTHING.contains(entry.getFileName().toString())) {
                    throw new GenieVmException(
                            ErrorCode.ALREADY_EXISTS,
                            Resource.named(root.toString()),
                            root + " is not empty: there is " + entry.getFileName());
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
    }
}
