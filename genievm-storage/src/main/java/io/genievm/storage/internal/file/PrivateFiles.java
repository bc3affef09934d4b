package io.genievm.storage.internal.file;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/**
 * Makes files and folders that only their owner can use, and makes them last.
 *
 * @since 0.1
 */
public final class PrivateFiles {
    private static final FileAttribute<?>[] NONE = {};

    private PrivateFiles() {}

    /**
     * Creates a file with mode 0600.
     *
     * @param file a path where nothing is yet
     * @return the empty file, open for writing
     * @throws IOException when something is there or the file can not be created
     */
    public static FileChannel create(Path file) throws IOException {
        Set<OpenOption> options = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
        return FileChannel.open(file, options, mode(file, "rw-------"));
    }

    /**
     * Creates a folder with mode 0700.
     *
     * @param folder a path where nothing is yet, in a folder that exists
     * @throws IOException when something is there or the folder can not be created
     */
    public static void createFolder(Path folder) throws IOException {
        Files.createDirectory(folder, mode(folder, "rwx------"));
    }

    /**
     * Makes a file, or the entries of a folder, durable. When this fails, the kernel may have forgotten what it could
     * not write, so that a second try would be a lie.
     *
     * @param path the file or folder
     * @throws IOException when it can not be opened or written
     */
    public static void sync(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static FileAttribute<?>[] mode(Path path, String permissions) {
        // Given at creation: a mode that is set afterwards leaves a moment in which others can open the file.
        return path.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
                }
                : NONE;
    }
}
