package io.genievm.api.internal;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * A folder that is made where it is missing, together with those above it, and how to make their names last or to undo it
 * all. For one thread at a time.
 */
public final class NewFolders {
    private final Path folder;
    private final Maker maker;
    private final Deque<Path> made = new ArrayDeque<>();

    /** Makes one folder, in one that exists. */
    @FunctionalInterface
    public interface Maker {
        /**
         * Makes it.
         *
         * @param folder where nothing was a moment ago
         * @throws FileAlreadyExistsException when somebody else was faster
         * @throws IOException when it can not be made
         */
        void make(Path folder) throws IOException;
    }

    /**
     * Prepares to make a folder.
     *
     * @param folder where it is to be
     * @param maker makes each one that is missing
     */
    public NewFolders(Path folder, Maker maker) {
        this.folder = folder.toAbsolutePath();
        this.maker = maker;
    }

    /**
     * Makes what is missing. Whether the folder is one then, and not something else, is for the caller to see.
     *
     * @throws IOException when one of them can not be made; those that were made stay until {@link #undo}
     */
    public void make() throws IOException {
        Deque<Path> missing = new ArrayDeque<>();
        for (Path each = folder;
                each != null && Files.notExists(each, LinkOption.NOFOLLOW_LINKS);
                each = each.getParent()) {
            missing.push(each);
        }
        for (Path each : missing) {
            try {
                maker.make(each);
                made.push(each);
            } catch (FileAlreadyExistsException e) {
                // Somebody else was faster; what it is will be seen by whoever uses it.
            }
        }
    }

    /**
     * Makes the folder's name durable, and the names above it, also where others made them just now.
     *
     * @throws IOException when a name that is new by this can not be made durable
     */
    public void syncAbove() throws IOException {
        Path child = folder;
        for (Path parent = folder.getParent(); parent != null; parent = parent.getParent()) {
            try (FileChannel channel = FileChannel.open(parent, StandardOpenOption.READ)) {
                channel.force(true);
            } catch (IOException e) {
                if (made.contains(child)) {
                    throw e;
                }
                // No name in it is new by this, and some folders of others can not be opened.
                return;
            }
            child = parent;
        }
    }

    /**
     * Removes the folders that were made, as far as they are empty.
     *
     * @param failure what led here, to which is added what goes wrong; {@code null} where nobody needs to know
     */
    public void undo(@Nullable Throwable failure) {
        try {
            while (!made.isEmpty()) {
                Files.deleteIfExists(made.pop());
            }
        } catch (IOException e) {
            // Somebody put something into it: it is not ours alone any more.
            made.clear();
            if (failure != null) {
                failure.addSuppressed(e);
            }
        }
    }

    /** Keeps what was made: from now on {@link #undo} does nothing. */
    public void keep() {
        made.clear();
    }
}
