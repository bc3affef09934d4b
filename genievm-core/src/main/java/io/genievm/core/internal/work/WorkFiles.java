package io.genievm.core.internal.work;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Makes private files that vanish with the process, however it ends. Safe for use by several threads. */
public final class WorkFiles {
    private final Path directory;

    /** Makes them in a folder, or in that of the platform. */
    public WorkFiles(@Nullable Path directory) {
        this.directory = directory == null ? Path.of(System.getProperty("java.io.tmpdir")) : directory;
    }

    /** Makes an empty file. */
    public WorkFile create() {
        try {
            Files.createDirectories(directory);
            boolean posix =
                    directory.getFileSystem().supportedFileAttributeViews().contains("posix");
            Path path = posix
                    ? Files.createTempFile(
                            directory,
                            "genievm-",
                            ".tmp",
                            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")))
                    : Files.createTempFile(directory, "genievm-", ".tmp");
            WorkFile file = new WorkFile(
                    directory.toString(),
                    FileChannel.open(
                            path,
                            Set.of(
                                    StandardOpenOption.READ,
                                    StandardOpenOption.WRITE,
                                    StandardOpenOption.DELETE_ON_CLOSE)));
            // An open file without a name is gone when the process is, kill -9 included.
            Files.deleteIfExists(path);
            return file;
        } catch (IOException e) {
            throw IoErrors.of(directory.toString(), "make a temporary file in", e);
        }
    }
}
