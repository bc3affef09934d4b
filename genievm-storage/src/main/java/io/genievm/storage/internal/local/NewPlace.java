package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.storage.internal.file.FileErrors;
import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;

/** A folder on its way to be a store, and how to undo that. */
final class NewPlace {
    /** What may lie in an empty place: made by mkfs; left by a process that was killed in this class. */
    private static final Set<String> NOTHING = Set.of("lost+found", Staging.NAME);

    private final Path root;
    private final Deque<Path> made = new ArrayDeque<>();

    NewPlace(Path root) {
        this.root = root;
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
        try {
            while (!made.isEmpty()) {
                Files.deleteIfExists(made.pop());
            }
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
    }

    private void makeMissing() throws IOException {
        Deque<Path> missing = new ArrayDeque<>();
        for (Path folder = root;
                folder != null && Files.notExists(folder, LinkOption.NOFOLLOW_LINKS);
                folder = folder.getParent()) {
            missing.push(folder);
        }
        for (Path folder : missing) {
            try {
                PrivateFiles.createFolder(folder);
                made.push(folder);
            } catch (FileAlreadyExistsException e) {
                // Somebody else was faster; whether it is a folder is seen next.
            }
        }
        LocalBlobStoreProvider.requireFolder(root, Files.readAttributes(root, BasicFileAttributes.class));
        syncAbove();
    }

    /** Makes the folder's name durable, and the names above it, also where others made them just now. */
    private void syncAbove() throws IOException {
        Path child = root;
        for (Path folder = root.getParent(); folder != null; folder = folder.getParent()) {
            try {
                PrivateFiles.sync(folder);
            } catch (IOException e) {
                if (made.contains(child)) {
                    throw e;
                }
                // No name in it is new by this call, and some folders of others can not be opened.
                return;
            }
            child = folder;
        }
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
