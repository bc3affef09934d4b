package io.genievm.storage.internal.local;

import io.genievm.storage.internal.file.PrivateFiles;
import io.genievm.storage.internal.file.StagingFolder;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where an open store keeps files that are no objects yet: {@code .tmp/<random>} below the root, made when it is first
 * needed and removed with the last that uses it. Nothing but rubbish depends on telling the folders of the living from
 * those of the dead: a file that was removed by mistake fails its put.
 */
final class Staging {
    static final String NAME = ".tmp";

    private static final Logger LOG = LoggerFactory.getLogger(Staging.class);
    private static final int ATTEMPTS = 100;

    /** To close any channel of a locked file is to lose the lock, so no store opens the locks of its own process. */
    private static final String PROCESS = UUID.randomUUID().toString();

    private final Path all;
    private @Nullable StagingFolder folder;
    private long files;
    private int users;
    private boolean closed;

    Staging(Path root) {
        this.all = root.resolve(NAME);
    }

    /** Gives the path of a file to create, and keeps its folder until {@link #leave()}. */
    synchronized Path enter() throws IOException {
        StagingFolder own = folder;
        if (own == null) {
            own = make();
            folder = own;
            removeDead();
        }
        users++;
        return own.resolve(Long.toString(files++));
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
        StagingFolder own = folder;
        if (!closed || users > 0 || own == null) {
            return;
        }
        folder = null;
        try {
            own.remove();
            Files.deleteIfExists(all);
        } catch (IOException e) {
            // Not empty, as others use it, or not to be removed now: the next store does it.
            LOG.debug("{} stays: {}", own, e.toString());
        }
    }

    private StagingFolder make() throws IOException {
        IOException last = new IOException(all + " can not be used");
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                if (!Files.isDirectory(all)) {
                    PrivateFiles.createFolder(all);
                }
                return StagingFolder.make(all.resolve(PROCESS + "." + UUID.randomUUID()));
            } catch (NoSuchFileException | FileAlreadyExistsException e) {
                // Another store was tidying up, or making the same folder, at this very moment.
                last = e;
            } catch (IOException e) {
                last = e;
                break;
            }
        }
        try {
            Files.deleteIfExists(all);
        } catch (IOException e) {
            last.addSuppressed(e);
        }
        throw last;
    }

    private void removeDead() {
        try (DirectoryStream<Path> others = Files.newDirectoryStream(all)) {
            for (Path other : others) {
                if (!other.getFileName().toString().startsWith(PROCESS)) {
                    removeIfDead(other);
                }
            }
        } catch (IOException | DirectoryIteratorException e) {
            LOG.debug("leftovers in {} stay: {}", all, e.toString());
        }
    }

    private static void removeIfDead(Path other) {
        try {
            StagingFolder.removeIfDead(other);
        } catch (IOException e) {
            LOG.debug("{} stays: {}", other, e.toString());
        }
    }
}
