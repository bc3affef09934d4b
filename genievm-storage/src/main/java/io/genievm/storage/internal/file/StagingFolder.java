package io.genievm.storage.internal.file;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A folder for what is not whole yet, whose {@code lock} file is locked as long as its owner lives.
 *
 * @since 0.1
 */
public final class StagingFolder {
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
     * @param path a path where nothing is yet. To close any channel of a locked file is to lose the lock, so it bears
     *     something by which the process knows its own, for {@link #removeIfDead}
     * @return the folder
     * @throws IOException when it can not be made
     * @throws NoSuchFileException when somebody took it for a dead one before it was locked
     */
    public static StagingFolder make(Path path) throws IOException {
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
        } catch (FileAlreadyExistsException e) {
            // Whoever took it for a dead one has made the lock, and removes both.
            NoSuchFileException taken = new NoSuchFileException(path.toString());
            taken.initCause(e);
            throw taken;
        } catch (IOException e) {
            try {
                removeTree(path);
            } catch (IOException suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    /**
     * Removes a folder whose owner has died, which whoever can take its lock may believe.
     *
     * @param path the folder, not one of this process
     * @throws IOException when it, or what is in it, can not be removed
     */
    public static void removeIfDead(Path path) throws IOException {
        // Without a lock file its owner died before it made one, or a power cut took that and left other files, or it
        // is
        // about to make one, and will have to choose another name.
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

    /**
     * Gives the path of something in the folder.
     *
     * @param name its name, which is not {@code lock}
     * @return the path
     */
    public Path resolve(String name) {
        return path.resolve(name);
    }

    /**
     * Makes durable which names there are in the folder, and which are not any more.
     *
     * @throws IOException when that can not be done
     */
    public void sync() throws IOException {
        PrivateFiles.sync(path);
    }

    /**
     * Removes the folder with all that is in it.
     *
     * @throws IOException when that can not be done
     */
    public void remove() throws IOException {
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
                    removeEntry(file);
                }
            }
        } catch (NoSuchFileException e) {
            return;
        }
        Files.deleteIfExists(folder.resolve(LOCK));
        Files.deleteIfExists(folder);
    }

    /** Removes a file, a link, or a folder of files. */
    private static void removeEntry(Path entry) throws IOException {
        try {
            Files.deleteIfExists(entry);
        } catch (DirectoryNotEmptyException e) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(entry)) {
                for (Path file : files) {
                    Files.deleteIfExists(file);
                }
            }
            Files.deleteIfExists(entry);
        }
    }
}
