package io.genievm.api.internal;

import io.genievm.api.hypervisor.DiskLimits;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A second channel to a file that writes past the page cache what begins and ends at the borders of blocks, in the file and
 * in memory. What is stored is not read again soon: to copy it into the cache costs more than to compress it, and drives
 * from the cache what others need. Safe for use by several threads.
 */
public final class UncachedChannel implements AutoCloseable {
    /** What memory and file have to be aligned to, in bytes, where the file system does not ask for less. */
    public static final int BLOCK = 4096;

    /**
     * What to ask of a new file that is written so: one request at a time. ext4 holds the lock of a file while it allocates
     * blocks for what is written past the cache, and threads that wait for it take the processor from those that decode.
     */
    public static final DiskLimits NEW_FILE = new DiskLimits(1, 1, 16 << 20, 1);

    private static final @Nullable OpenOption DIRECT = direct();

    private volatile @Nullable FileChannel channel;

    private UncachedChannel(@Nullable FileChannel channel) {
        this.channel = channel;
    }

    /**
     * Opens it where the file system can do that, and elsewhere one that writes nothing.
     *
     * @param file a file that is there
     * @return the channel, which is the caller's to close
     */
    public static UncachedChannel open(Path file) {
        try {
            // Network file systems name their transfer size here, and are better at gathering writes than we are.
            if (DIRECT != null && Files.getFileStore(file).getBlockSize() <= BLOCK) {
                return new UncachedChannel(FileChannel.open(file, Set.of(StandardOpenOption.WRITE, DIRECT)));
            }
        } catch (IOException | UnsupportedOperationException e) {
            // Such as tmpfs: it is all memory.
            return none();
        }
        return none();
    }

    /** By its name, as javac warns of the class on some JDKs, in a way that can not be told to be known. */
    private static @Nullable OpenOption direct() {
        try {
            Object[] options =
                    Class.forName("com.sun.nio.file.ExtendedOpenOption").getEnumConstants();
            return (OpenOption) Stream.of(options)
                    .filter(option -> option.toString().equals("DIRECT"))
                    .findFirst()
                    .orElse(null);
        } catch (ClassNotFoundException e) {
            return null;
        }
    }

    /**
     * One that writes nothing.
     *
     * @return a channel that need not be closed
     */
    public static UncachedChannel none() {
        return new UncachedChannel(null);
    }

    /**
     * Writes as much of a buffer as can be written past the cache, from its position on, which is advanced.
     *
     * @param source with what is to be written
     * @param position where in the file, in bytes
     * @return how many bytes were written, 0 when the next one has to go another way
     * @throws IOException when the file can not be written
     */
    public int write(ByteBuffer source, long position) throws IOException {
        FileChannel open = channel;
        if (open == null
                || !source.isDirect()
                || position % BLOCK != 0
                || source.alignmentOffset(source.position(), BLOCK) != 0) {
            return 0;
        }
        int end = source.limit();
        source.limit(source.position() + source.remaining() / BLOCK * BLOCK);
        try {
            return source.hasRemaining() ? open.write(source, position) : 0;
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
        FileChannel closing = channel;
        if (closing != null) {
            channel = null;
            closing.close();
        }
    }
}
