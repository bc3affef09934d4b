package io.genievm.core.internal.work;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HexFormat;
import java.util.Random;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes private files that vanish with the process, however it ends. Safe for use by several threads. */
public final class WorkFiles {
    private static final Logger LOG = LoggerFactory.getLogger(WorkFiles.class);
    private static final String PREFIX = "genievm-";
    private static final String SUFFIX = ".tmp";
    private static final Pattern NAME = Pattern.compile("genievm-[0-9a-f]{16}\\.tmp");

    private final Path directory;

    /** Makes them in a folder, or in that of the platform. */
    public WorkFiles(@Nullable Path directory) {
        this.directory = directory == null ? Path.of(System.getProperty("java.io.tmpdir")) : directory;
    }

    /** Makes an empty file. */
    public WorkFile create() {
        try {
            Files.createDirectories(directory);
            removeDead();
            Path path = directory.resolve(PREFIX + HexFormat.of().toHexDigits(new Random().nextLong()) + SUFFIX);
            // Made and opened in one step, so that nobody is hurt who finds the name gone.
            FileChannel channel = FileChannel.open(
                    path,
                    Set.of(
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE,
                            StandardOpenOption.DELETE_ON_CLOSE),
                    privately());
            // An open file without a name is gone when the process is, kill -9 included.
            Files.deleteIfExists(path);
            return new WorkFile(directory.toString(), channel);
        } catch (IOException e) {
            throw IoErrors.of(directory.toString(), "make a temporary file in", e);
        }
    }

    private FileAttribute<?>[] privately() {
        return directory.getFileSystem().supportedFileAttributeViews().contains("posix")
                ? new FileAttribute<?>[] {
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
                }
                : new FileAttribute<?>[0];
    }

    /**
     * A process that was killed between the two steps leaves a name behind. Whoever is between them now does without it as
     * well, so all names go.
     */
    private void removeDead() {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, PREFIX + "*" + SUFFIX)) {
            for (Path file : files) {
                if (NAME.matcher(String.valueOf(file.getFileName())).matches()) {
                    remove(file);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.debug("leftovers in {} stay: {}", directory, e.toString());
        }
    }

    private static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            // Another user's, or on a system that keeps the names of open files.
            LOG.debug("{} stays: {}", file, e.toString());
        }
    }
}
