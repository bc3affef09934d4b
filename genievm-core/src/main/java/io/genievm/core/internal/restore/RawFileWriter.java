package io.genievm.core.internal.restore;

import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.internal.SparseFile;
import io.genievm.api.internal.UncachedChannel;
import io.genievm.core.internal.work.IoErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;

/** Writes a new raw file of a given size. Safe for use by several threads. */
final class RawFileWriter implements DiskWriter {
    /** Shorter writes are better gathered by the kernel. */
    private static final int WORTH_A_REQUEST = 1 << 17;

    private final Path path;
    private final FileChannel channel;
    private final UncachedChannel uncached;

    private RawFileWriter(Path path, FileChannel channel) {
        this.path = path;
        this.channel = channel;
        this.uncached = UncachedChannel.open(path);
    }

    /** Creates the file, which only its owner may read, with its full size and no data. */
    static RawFileWriter create(Path path, long capacity) throws IOException {
        FileAttribute<?>[] attributes =
                path.getFileSystem().supportedFileAttributeViews().contains("posix")
                        ? new FileAttribute<?>[] {
                            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
                        }
                        : new FileAttribute<?>[0];
        Files.createFile(path, attributes);
        SparseFile.setLength(path, capacity);
        return new RawFileWriter(path, FileChannel.open(path, Set.of(StandardOpenOption.WRITE)));
    }

    @Override
    public DiskLimits limits() {
        return UncachedChannel.NEW_FILE;
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        try {
            long at = offset;
            while (source.hasRemaining()) {
                int direct = source.remaining() < WORTH_A_REQUEST ? 0 : uncached.write(source, at);
                at += direct > 0 ? direct : channel.write(source, at);
            }
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "write to", e);
        }
    }

    @Override
    public void zero(long offset, long length) {
        // The file is new and every range is written at most once, so what was not written is a hole.
    }

    @Override
    public void flush() {
        try {
            channel.force(true);
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "make durable", e);
        }
    }

    @Override
    public void close() {
        try {
            uncached.close();
            channel.close();
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "close", e);
        }
    }
}
