package io.genievm.storage.internal.local;

import com.sun.nio.file.ExtendedOpenOption;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A second channel to a file that writes past the page cache what begins and ends at the borders of blocks, in the file and
 * in memory. What is stored is not read again soon: to copy it into the cache costs more than to compress it, and drives
 * from the cache what others need. For one thread.
 */
final class UncachedChannel implements AutoCloseable {
    /** What memory and file have to be aligned to, in bytes, where the file system does not ask for less. */
    static final int BLOCK = 4096;

    private @Nullable FileChannel channel;

    private UncachedChannel(@Nullable FileChannel channel) {
        this.channel = channel;
    }

    /** Opens it where the file system can do that, and elsewhere one that writes nothing. */
    static UncachedChannel open(Path file) {
        try {
            // Network file systems name their transfer size here, and are better at gathering writes than we are.
            if (Files.getFileStore(file).getBlockSize() <= BLOCK) {
                return new UncachedChannel(
                        FileChannel.open(file, Set.of(StandardOpenOption.WRITE, ExtendedOpenOption.DIRECT)));
            }
        } catch (IOException | UnsupportedOperationException e) {
            // Such as tmpfs: it is all memory.
            return none();
        }
        return none();
    }

    /** One that writes nothing. */
    static UncachedChannel none() {
        return new UncachedChannel(null);
    }

    /**
     * Writes as much of a buffer as can be written past the cache, from its position on, which is advanced.
     *
     * @param position where in the file
     * @return how many bytes were written, 0 when the next one has to go another way
     */
    int write(ByteBuffer source, long position) throws IOException {
        if (channel == null
                || !source.isDirect()
                || position % BLOCK != 0
                || source.alignmentOffset(source.position(), BLOCK) != 0) {
            return 0;
        }
        int end = source.limit();
        source.limit(source.position() + source.remaining() / BLOCK * BLOCK);
        try {
            return source.hasRemaining() ? channel.write(source, position) : 0;
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("Invalid argument")) {
                throw e;
            }
            // Opened, and refused after all, as some file systems in user space do.
            close();
            return 0;
        } finally {
            source.limit(end);
        }
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            FileChannel closing = channel;
            channel = null;
            closing.close();
        }
    }
}
