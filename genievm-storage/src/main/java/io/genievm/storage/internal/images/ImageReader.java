package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Reads an image by position, for any number of threads at a time. */
final class ImageReader implements DiskReader, Scope.Part {
    private final Path file;
    private final FileChannel channel;
    private final long capacity;
    private final Resource resource;
    private final Scope scope;
    private volatile boolean closed;

    ImageReader(Path file, FileChannel channel, long capacity, Resource resource, Scope scope) {
        this.file = file;
        this.channel = channel;
        this.capacity = capacity;
        this.resource = resource;
        this.scope = scope;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
        Ranges.require(offset, target.remaining(), capacity);
        if (closed) {
            throw closed(null);
        }
        long position = offset;
        try {
            while (target.hasRemaining()) {
                int read = channel.read(target, position);
                if (read < 0) {
                    throw shorter(position, target.remaining());
                }
                position += read;
            }
        } catch (IOException e) {
            throw closed ? closed(e) : FileErrors.of("can not read " + file, resource, e);
        }
    }

    @Override
    public void close() {
        closed = true;
        scope.remove(this);
        try {
            channel.close();
        } catch (IOException e) {
            // Of a file that was only read there is nothing to lose.
            return;
        }
    }

    private GenieVmException closed(@Nullable Throwable cause) {
        return new GenieVmException(ErrorCode.CLOSED, resource, "the reader of " + file + " is closed", cause);
    }

    private GenieVmException shorter(long position, int missing) {
        return new GenieVmException(
                ErrorCode.SOURCE_CHANGED,
                new Resource(resource.vm(), resource.disk(), new Extent(position, missing), null),
                file + " changed while it was read: it had " + capacity + " bytes and ends at " + position + " now");
    }
}
