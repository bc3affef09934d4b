package io.genievm.storage.internal.images;

import com.sun.jna.LastErrorException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ExtentCursor;
import java.nio.file.Path;

/** The ranges of a file that are no holes, as the file system tells them. */
final class DataExtents implements ExtentCursor, Scope.Part {
    private static final int CLOSED = -1;

    private final Path file;
    private final long capacity;
    private final Resource resource;
    private final Scope scope;
    private int descriptor;
    private long offset;
    private long end;

    private DataExtents(Path file, int descriptor, long capacity, Resource resource, Scope scope) {
        this.file = file;
        this.descriptor = descriptor;
        this.capacity = capacity;
        this.resource = resource;
        this.scope = scope;
    }

    static DataExtents of(Path file, long capacity, Resource resource, Scope scope) throws HolesUnknownException {
        try {
            NativeFiles.requireSupport(file);
            int descriptor = NativeFiles.open(file);
            DataExtents extents = new DataExtents(file, descriptor, capacity, resource, scope);
            extents.probe();
            return extents;
        } catch (LastErrorException e) {
            throw new HolesUnknownException(e.toString(), e);
        } catch (LinkageError e) {
            throw new HolesUnknownException("native code can not be loaded: " + e.getMessage(), e);
        }
    }

    @Override
    public synchronized boolean next() {
        if (descriptor == CLOSED) {
            throw new GenieVmException(ErrorCode.CLOSED, resource, "the list of extents of " + file + " is closed");
        }
        try {
            // Whatever the file becomes meanwhile, the answers stay ascending and inside the capacity.
            offset = end < capacity ? Math.min(capacity, Math.max(end, seekData(end))) : capacity;
            end = offset < capacity ? Math.min(capacity, Math.max(offset + 1, seekHole(offset))) : capacity;
            return offset < capacity;
        } catch (LastErrorException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR, resource, "can not find the holes of " + file + ": " + e.getMessage(), e);
        }
    }

    @Override
    public synchronized long offset() {
        requireExtent();
        return offset;
    }

    @Override
    public synchronized long length() {
        requireExtent();
        return end - offset;
    }

    @Override
    public synchronized void close() {
        if (descriptor != CLOSED) {
            NativeFiles.close(descriptor);
            descriptor = CLOSED;
            scope.remove(this);
        }
    }

    private void probe() {
        try {
            seekData(0);
        } catch (LastErrorException e) {
            close();
            throw e;
        }
    }

    private void requireExtent() {
        if (offset >= end) {
            throw new IllegalStateException("the cursor stands on no extent");
        }
    }

    private long seekData(long from) {
        return NativeFiles.seek(descriptor, from, NativeFiles.SEEK_DATA, capacity);
    }

    /** Gives the capacity where the file has become so short that there is no hole any more. */
    private long seekHole(long from) {
        return NativeFiles.seek(descriptor, from, NativeFiles.SEEK_HOLE, capacity);
    }
}
