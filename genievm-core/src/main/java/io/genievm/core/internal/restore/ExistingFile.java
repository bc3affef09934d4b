package io.genievm.core.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.core.internal.work.IoErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Set;

/** A file that is there under the name of a disk: it is read, and never written. Safe for use by several threads. */
final class ExistingFile implements DiskWriting.WritableDisk, DiskReader, DiskWriter {
    private final Path path;
    private final FileChannel channel;
    private final long capacity;

    private ExistingFile(Path path, FileChannel channel, long capacity) {
        this.path = path;
        this.channel = channel;
        this.capacity = capacity;
    }

    /** Opens a file, which is no link. */
    static ExistingFile open(Path path) throws IOException {
        FileChannel channel = FileChannel.open(path, Set.of(StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS));
        try {
            return new ExistingFile(path, channel, channel.size());
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    @Override
    public long capacity() {
        return capacity;
    }

    @Override
    public DiskLimits limits() {
        return DiskLimits.FILE;
    }

    @Override
    public DiskReader reader() {
        return this;
    }

    @Override
    public DiskWriter writer() {
        return this;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
        try {
            for (long at = offset; target.hasRemaining(); ) {
                int count = channel.read(target, at);
                if (count < 0) {
                    throw new GenieVmException(
                            ErrorCode.SOURCE_CHANGED, Resource.named(path.toString()), path + " has become shorter");
                }
                at += count;
            }
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "read", e);
        }
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        throw neverWritten();
    }

    @Override
    public void zero(long offset, long length) {
        throw neverWritten();
    }

    /** Whoever wrote the file may have been killed before it was durable. */
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
            channel.close();
        } catch (IOException e) {
            throw IoErrors.of(path.toString(), "close", e);
        }
    }

    private IllegalStateException neverWritten() {
        return new IllegalStateException(path + " was there before and is not to be written");
    }
}
