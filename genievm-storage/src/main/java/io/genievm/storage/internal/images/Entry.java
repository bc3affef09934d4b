package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.DriverFact;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/**
 * What lies in a folder and what it turns out to be, without opening it.
 *
 * @param path where it lies
 * @param real where that leads when links are followed
 * @param attributes of what is there
 * @param objection why it is not to be used, or {@code null}
 */
record Entry(
        Path path,
        Path real,
        BasicFileAttributes attributes,
        @Nullable String objection) {
    private static final String CHANGE_LIST = ".changes";

    /**
     * Looks at an entry.
     *
     * @param top the real path of the folder that links must not leave
     * @throws java.nio.file.NoSuchFileException when nothing is there
     */
    static Entry look(Path top, Path path) throws IOException {
        BasicFileAttributes own = Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        String objection = objectionToName(path);
        if (objection != null || !own.isSymbolicLink()) {
            return new Entry(path, path, own, objection);
        }
        try {
            Path real = path.toRealPath();
            BasicFileAttributes attributes = Files.readAttributes(real, BasicFileAttributes.class);
            boolean inside = real.startsWith(top) && !real.equals(top);
            return new Entry(path, real, attributes, inside ? null : "it is a link that leaves " + top);
        } catch (FileSystemException e) {
            return new Entry(path, path, own, "it is a link that leads nowhere");
        }
    }

    boolean isFolder() {
        return attributes.isDirectory();
    }

    boolean isFile() {
        return attributes.isRegularFile();
    }

    String name() {
        return path.getFileName().toString();
    }

    /** Whether the file tells changes of an image and so is never one itself. */
    static boolean isChangeList(Path path) {
        return path.getFileName().toString().endsWith(CHANGE_LIST);
    }

    /** The list that tells the changes of an image. */
    static Path changeListOf(Path image) {
        return image.resolveSibling(image.getFileName() + CHANGE_LIST);
    }

    /** The image that a change list is about. */
    static Path imageOf(Path changeList) {
        String name = changeList.getFileName().toString();
        return changeList.resolveSibling(name.substring(0, name.length() - CHANGE_LIST.length()));
    }

    /** Tells that something is ignored. */
    static DriverFact ignored(Path path, String objection) {
        return new DriverFact(DriverFact.FILE_IGNORED, null, path + " is ignored: " + objection);
    }

    /** Says why a VM or a disk can not have the name of a file. */
    static @Nullable String objectionToName(Path path) {
        Path last = path.getFileName();
        if (last == null) {
            return "it has no name";
        }
        String name = last.toString();
        if (name.startsWith(".")) {
            return "it is hidden";
        }
        try {
            // Bytes that are no text become replacement characters, so that the text no longer names the file.
            if (!last.equals(last.getFileSystem().getPath(name))) {
                return "its name is not valid in this process's character set";
            }
            new DiskId(name);
            return null;
        } catch (InvalidPathException e) {
            return "its name is not valid in this process's character set";
        } catch (IllegalArgumentException e) {
            return e.getMessage();
        }
    }
}
