package io.genievm.core.internal.restore;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.Random;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The names of the files of one restore while they are not whole: hidden, beside where they will be. As long as the
 * process lives it holds a lock, by which the next restore to the folder knows the files of the dead and removes them.
 */
final class PartFiles implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(PartFiles.class);

    /** To close any channel of a locked file is to lose the lock, so no restore opens the locks of its own process. */
    private static final String PROCESS = UUID.randomUUID().toString().substring(0, 8);

    private static final int ATTEMPTS = 100;

    private static final Pattern LOCK = Pattern.compile("\\.genievm-([0-9a-f]{8})-[0-9a-f]{16}\\.lock");

    private final Path folder;
    private final String stem;
    private final FileChannel lock;
    private int count;

    private PartFiles(Path folder, String stem, FileChannel lock) {
        this.folder = folder;
        this.stem = stem;
        this.lock = lock;
    }

    /** Begins with the names, in a folder that exists, and removes what the dead have left there. */
    static PartFiles in(Path folder) throws IOException {
        removeDead(folder);
        for (int attempt = 1; ; attempt++) {
            String stem = ".genievm-" + PROCESS + "-" + HexFormat.of().toHexDigits(new Random().nextLong());
            Path path = folder.resolve(stem + ".lock");
            FileChannel lock = FileChannel.open(path, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            PartFiles files = new PartFiles(folder, stem, lock);
            try {
                if (tryLock(lock) && Files.exists(path)) {
                    return files;
                }
            } catch (IOException e) {
                files.close();
                throw e;
            }
            files.close();
            if (attempt == ATTEMPTS) {
                throw new IOException("others remove every lock at once");
            }
        }
    }

    /** A name that no file has. */
    Path next() {
        return folder.resolve(stem + "-" + count++ + ".part");
    }

    /** The lock goes; the parts have gone or have their names. */
    @Override
    public void close() {
        try {
            Files.deleteIfExists(folder.resolve(stem + ".lock"));
            lock.close();
        } catch (IOException e) {
            LOG.debug("{} stays in {}: {}", stem, folder, e.toString());
        }
    }

    private static void removeDead(Path folder) {
        // No glob, which not every file system knows.
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path path : entries) {
                Matcher name = LOCK.matcher(String.valueOf(path.getFileName()));
                if (name.matches()
                        && !name.group(1).equals(PROCESS)
                        && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)) {
                    removeIfDead(path);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.debug("leftovers in {} stay: {}", folder, e.toString());
        }
    }

    private static void removeIfDead(Path lock) throws IOException {
        try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE)) {
            FileLock held = channel.tryLock();
            if (held == null) {
                return;
            }
            String name = String.valueOf(lock.getFileName());
            String stem = name.substring(0, name.length() - ".lock".length()) + "-";
            try (DirectoryStream<Path> files = Files.newDirectoryStream(lock.resolveSibling("."), path -> {
                String file = String.valueOf(path.getFileName());
                return file.startsWith(stem) && file.endsWith(".part");
            })) {
                for (Path part : files) {
                    Files.deleteIfExists(part);
                }
            }
            // Last, so that whoever is interrupted here leaves something that is still known to be dead.
            Files.deleteIfExists(lock);
        } catch (OverlappingFileLockException e) {
            // Locked by this very process, with a class of another loader.
            return;
        }
    }

    /**
     * Gives false when another has taken the lock for that of a dead one, before it was locked. Where files can not be
     * locked, nobody else can lock this one either, and the dead stay.
     */
    private static boolean tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            return true;
        }
    }
}
