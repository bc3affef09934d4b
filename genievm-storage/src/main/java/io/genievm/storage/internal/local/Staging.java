package io.genievm.storage.internal.local;

import io.genievm.storage.internal.file.PrivateFiles;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One open store's folder for files that are no objects yet, {@code .tmp/<random>} below the root, made when it is first
 * needed. Its {@code lock} file is locked as long as the store is open, so that others see that what lies beside it is
 * not rubbish. Nothing but rubbish depends on that: a file that another process removed by mistake fails its put.
 */
final class Staging {
    static final String NAME = ".tmp";

    private static final Logger LOG = LoggerFactory.getLogger(Staging.class);
    private static final int ATTEMPTS = 100;
    private static final String LOCK = "lock";
    // To close any channel of a locked file is to lose the lock, so this JVM never opens the lock file of another store
    // of its own.
    private static final String OWNER = UUID.randomUUID().toString();

    private final Path all;
    private @Nullable Own own;
    private long files;
    private int users;
    private boolean closed;

    private record Own(Path folder, FileChannel lock) {}

    Staging(Path root) {
        this.all = root.resolve(NAME);
    }

    /** Gives the path of a file to create, and keeps the folder until {@link #leave()}. */
    synchronized Path enter() throws IOException {
        Own mine = own;
        if (mine == null) {
            mine = make();
            own = mine;
            clearDeadOnes();
        }
        users++;
        return mine.folder().resolve(Long.toString(files++));
    }

    synchronized void leave() {
        users--;
        removeIfUnused();
    }

    /** Removes the folder, now or when the last one has left. */
    synchronized void close() {
        closed = true;
        removeIfUnused();
    }

    private void removeIfUnused() {
        Own mine = own;
        if (!closed || users > 0 || mine == null) {
            return;
        }
        own = null;
        try {
            remove(mine.folder());
            mine.lock().close();
            Files.deleteIfExists(all);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", mine.folder(), e.toString());
        }
    }

    private Own make() throws IOException {
        IOException last = new IOException(all + " can not be used");
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                if (!Files.isDirectory(all)) {
                    PrivateFiles.createFolder(all);
                }
                Path folder = all.resolve(OWNER + "." + UUID.randomUUID());
                PrivateFiles.createFolder(folder);
                FileChannel lock = PrivateFiles.create(folder.resolve(LOCK));
                if (tryLock(lock) && Files.exists(folder.resolve(LOCK))) {
                    return new Own(folder, lock);
                }
                lock.close();
            } catch (NoSuchFileException | FileAlreadyExistsException e) {
                // Another store was tidying up, or making the same folder, at this very moment.
                last = e;
            }
        }
        throw last;
    }

    private void clearDeadOnes() {
        try (DirectoryStream<Path> others = Files.newDirectoryStream(all)) {
            for (Path other : others) {
                if (!other.getFileName().toString().startsWith(OWNER)) {
                    clearIfDead(other);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.debug("leftovers in {} stay: {}", all, e.toString());
        }
    }

    private static void clearIfDead(Path other) {
        try (FileChannel its = FileChannel.open(other.resolve(LOCK), StandardOpenOption.WRITE)) {
            if (its.tryLock() != null) {
                remove(other);
            }
        } catch (NoSuchFileException e) {
            removeIfEmpty(other);
        } catch (IOException | OverlappingFileLockException e) {
            LOG.debug("{} stays: {}", other, e.toString());
        }
    }

    /** Its maker died before it made the lock file, or is about to make it and will choose another name. */
    private static void removeIfEmpty(Path other) {
        try {
            Files.deleteIfExists(other);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", other, e.toString());
        }
    }

    private static void remove(Path folder) throws IOException {
        try (DirectoryStream<Path> leftovers = Files.newDirectoryStream(folder)) {
            for (Path file : leftovers) {
                if (!file.endsWith(LOCK)) {
                    Files.deleteIfExists(file);
                }
            }
        }
        Files.deleteIfExists(folder.resolve(LOCK));
        Files.deleteIfExists(folder);
    }

    private static boolean tryLock(FileChannel channel) {
        try {
            return channel.tryLock() != null;
        } catch (IOException e) {
            // A file system without locks; then nobody else can take it either.
            return true;
        }
    }
}
