package io.genievm.storage.internal.local;

import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Objects;

/**
 * The folders between the root and the objects. They come with an object and go with the last one, so any of them may
 * vanish or appear at any moment, by this process or another.
 */
final class ObjectFolders {
    private final Path root;

    ObjectFolders(Path root) {
        this.root = root;
    }

    /**
     * Makes the folders that are missing above an object.
     *
     * @throws NoSuchFileException when one vanished meanwhile
     */
    void makeAbove(Path object) throws IOException {
        Path folder = root;
        for (Path part : root.relativize(above(object))) {
            folder = folder.resolve(part);
            // An object beside its root has an empty part for its folder.
            if (!folder.equals(root) && !isFolder(folder)) {
                make(folder);
            }
        }
    }

    /**
     * Makes an object's name durable. Folders that were there already are written as well: whoever made them may not
     * have come that far yet, or never will.
     */
    void syncAbove(Path object) throws IOException {
        Path folder = object;
        do {
            folder = syncNearestAbove(folder);
        } while (!folder.equals(root));
    }

    /** Makes the absence of an object durable and gives the folder in which it is absent. */
    Path syncNearestAbove(Path object) throws IOException {
        for (Path folder = above(object); ; folder = above(folder)) {
            try {
                PrivateFiles.sync(folder);
                return folder;
            } catch (NoSuchFileException e) {
                if (folder.equals(root)) {
                    throw e;
                }
            }
        }
    }

    /** The root is above every object, so there is always a folder. */
    private static Path above(Path path) {
        return Objects.requireNonNull(path.getParent());
    }

    /** Removes what is empty, so that not every session leaves a folder for ever. */
    void removeEmpty(Path start) {
        try {
            for (Path folder = start; !folder.equals(root); folder = above(folder)) {
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            // Not empty, as a rule. Whatever it was: a folder that stays does no harm.
            return;
        }
    }

    private static void make(Path folder) throws IOException {
        try {
            PrivateFiles.createFolder(folder);
        } catch (FileAlreadyExistsException e) {
            if (Files.exists(folder, LinkOption.NOFOLLOW_LINKS) && !isFolder(folder)) {
                throw new FileSystemException(folder.toString(), null, "there is something else than a folder");
            }
        }
    }

    private static boolean isFolder(Path path) {
        return Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS);
    }
}
