package io.genievm.storage.internal.local;

import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A folder whose {@code lock} file is locked as long as its owner lives. */
final class StagingFolder {
    private static final String LOCK = "lock";

    private final Path path;
    private final FileChannel lock;

    private StagingFolder(Path path, FileChannel lock) {
        this.path = path;
        this.lock = lock;
    }

    /**
     * Makes a folder and locks it.
     *
     * @throws NoSuchFileException when somebody took it for a dead one before it was locked
     */
    static StagingFolder make(Path path) throws IOException {
        PrivateFiles.createFolder(path);
        try {
            FileChannel lock = PrivateFiles.create(path.resolve(LOCK));
            try {
                if (tryLock(lock) && Files.exists(path.resolve(LOCK))) {
                    return new StagingFolder(path, lock);
                }
                throw new NoSuchFileException(path.toString());
            } catch (IOException e) {
                lock.close();
                throw e;
            }
        } catch (IOException e) {
            try {
                removeTree(path);
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /** Removes a folder whose owner has died, which whoever can take its lock may believe. */
    static void removeIfDead(Path path) throws IOException {
        // Without a lock file its owner died before it made one, or a power cut took that and left other files, or it
        // is
        // about to make one and will have to choose another name.
        try (FileChannel lock =
                FileChannel.open(path.resolve(LOCK), StandardOpenOption.WRITE, StandardOpenOption.CREATE)) {
            if (lock.tryLock() != null) {
                removeTree(path);
            }
        } catch (NoSuchFileException e) {
            // Somebody else has removed it.
            return;
        } catch (OverlappingFileLockException e) {
            // Locked by this very process, with a class of another loader.
            return;
        }
    }

    Path resolve(String name) {
        return path.resolve(name);
    }

    void remove() throws IOException {
        try {
            removeTree(path);
        } finally {
            lock.close();
        }
    }

    @Override
    public String toString() {
        return path.toString();
    }

    private static boolean tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            // A file system without locks: then nobody else can take this one either.
            return true;
        }
    }

    /** The lock goes last, so that whoever is interrupted here leaves something that is still known to be dead. */
    private static void removeTree(Path folder) throws IOException {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder)) {
            for (Path file : files) {
                if (!file.endsWith(LOCK)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (NoSuchFileException e) {
            return;
        }
        Files.deleteIfExists(folder.resolve(LOCK));
        Files.deleteIfExists(folder);
    }
}
