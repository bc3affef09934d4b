package io.genievm.testkit;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import java.nio.ByteBuffer;

/** Writes a disk of an {@link InMemoryHypervisor}. */
final class InMemoryWriter implements DiskWriter {
    private final InMemoryHypervisor hypervisor;
    private final VmId vm;
    private final InMemoryDisk disk;
    private final DiskLimits limits;
    private final Runnable requireUsable;
    private volatile boolean closed;

    /** Makes a writer; {@code requireUsable} throws when what it belongs to is at its end. */
    InMemoryWriter(
            InMemoryHypervisor hypervisor, VmId vm, InMemoryDisk disk, DiskLimits limits, Runnable requireUsable) {
        this.hypervisor = hypervisor;
        this.vm = vm;
        this.disk = disk;
        this.limits = limits;
        this.requireUsable = requireUsable;
    }

    @Override
    public DiskLimits limits() {
        return limits;
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        requireUsable();
        int length = source.remaining();
        if (length > limits.maxRequest()) {
            throw new IllegalArgumentException("a write of " + length + " bytes with " + limits);
        }
        requireAllowed(offset, length);
        if (length > 0) {
            hypervisor.tell(InMemoryHypervisor.Call.WRITE, vm, disk.id(), new Extent(offset, length));
        }
        byte[] bytes = new byte[length];
        source.get(bytes);
        disk.write(offset, bytes);
    }

    @Override
    public void zero(long offset, long length) {
        requireUsable();
        requireAllowed(offset, length);
        hypervisor.tell(InMemoryHypervisor.Call.ZERO, vm, disk.id(), new Extent(offset, length));
        disk.zero(offset, length);
    }

    @Override
    public void flush() {
        requireUsable();
        hypervisor.tell(InMemoryHypervisor.Call.FLUSH, vm, disk.id(), null);
    }

    @Override
    public void close() {
        closed = true;
    }

    private void requireUsable() {
        requireUsable.run();
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm, disk.id()), "the writer is closed");
        }
    }

    private void requireAllowed(long offset, long length) {
        if (offset % limits.alignment() != 0
                || length % limits.alignment() != 0 && offset + length != disk.capacity()) {
            throw new IllegalArgumentException("a write of " + offset + "+" + length + " of disk '" + disk.id()
                    + "' of " + disk.capacity() + " bytes with " + limits);
        }
    }
}
