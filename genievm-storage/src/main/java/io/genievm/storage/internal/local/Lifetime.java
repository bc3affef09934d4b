package io.genievm.storage.internal.local;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** Whether a store is open, and the files that its close is to break off. */
final class Lifetime {
    private final Path root;
    private final Set<FileChannel> channels = ConcurrentHashMap.newKeySet();
    private volatile boolean ended;

    /** A file that is closed by its user, or under the user's hands by the end of the store. */
    final class OpenFile implements AutoCloseable {
        private final FileChannel channel;

        private OpenFile(FileChannel channel) {
            this.channel = channel;
        }

        FileChannel channel() {
            return channel;
        }

        @Override
        public void close() {
            channels.remove(channel);
            closeQuietly(channel);
        }
    }

    Lifetime(Path root) {
        this.root = root;
    }

    /** Takes over a channel. */
    OpenFile watch(FileChannel channel) {
        channels.add(channel);
        return new OpenFile(channel);
    }

    void requireOpen() {
        if (ended) {
            throw closed(null);
        }
    }

    void end() {
        ended = true;
        channels.forEach(Lifetime::closeQuietly);
    }

    /** Gives a failure that came after the end, and most likely from it, the code that says so. */
    GenieVmException explain(GenieVmException failure) {
        return ended ? closed(failure) : failure;
    }

    private static void closeQuietly(FileChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            // What counts of a file that was written was forced before, and of one that was read there is nothing.
            return;
        }
    }

    private GenieVmException closed(@Nullable Throwable cause) {
        return new GenieVmException(
                ErrorCode.CLOSED, Resource.named(root.toString()), "the store in " + root + " is closed", cause);
    }
}
