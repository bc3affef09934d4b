package io.genievm.testkit;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/** A disk of a VM of an {@link InMemoryHypervisor} that is shut off. Nobody else may have it open. */
final class InMemoryWritableDisk implements DiskWriting.WritableDisk {
    private final InMemoryHypervisor hypervisor;
    private final InMemoryConnection connection;
    private final VmId vm;
    private final InMemoryDisk disk;
    private final DiskLimits limits;
    private final Reader reader = new Reader();
    private final InMemoryWriter writer;
    private final AtomicBoolean closed = new AtomicBoolean();

    InMemoryWritableDisk(InMemoryHypervisor hypervisor, InMemoryConnection connection, VmId vm, InMemoryDisk disk) {
        this.hypervisor = hypervisor;
        this.connection = connection;
        this.vm = vm;
        this.disk = disk;
        this.limits = disk.limits();
        this.writer = new InMemoryWriter(hypervisor, vm, disk, limits, this::requireOpen);
        if (!disk.beginWriting()) {
            throw new GenieVmException(
                    ErrorCode.BUSY, Resource.of(vm, disk.id()), "disk '" + disk.id() + "' is open for writing already");
        }
        hypervisor.countReaders(1);
    }

    @Override
    public long capacity() {
        return disk.capacity();
    }

    @Override
    public DiskLimits limits() {
        return limits;
    }

    @Override
    public DiskReader reader() {
        return reader;
    }

    @Override
    public DiskWriter writer() {
        return writer;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            disk.endWriting();
            hypervisor.countReaders(-1);
        }
    }

    private void requireOpen() {
        connection.requireOpen();
        if (closed.get()) {
            throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm, disk.id()), "the disk is closed");
        }
    }

    private final class Reader implements DiskReader {
        private final AtomicInteger requests = new AtomicInteger();
        private volatile boolean readerClosed;

        @Override
        public void read(long offset, ByteBuffer target) {
            requireUsable();
            int length = target.remaining();
            if (length > limits.maxRequest()
                    || offset % limits.alignment() != 0
                    || length % limits.alignment() != 0 && offset + length != disk.capacity()) {
                throw new IllegalArgumentException("a read of " + offset + "+" + length + " of disk '" + disk.id()
                        + "' of " + disk.capacity() + " bytes with " + limits);
            }
            try {
                if (requests.incrementAndGet() > limits.requestsPerReader()) {
                    throw new IllegalStateException(
                            "more calls of a reader of disk '" + disk.id() + "' at a time than its limits allow");
                }
                if (length > 0) {
                    hypervisor.tell(InMemoryHypervisor.Call.READ, vm, disk.id(), new Extent(offset, length));
                }
                requireUsable();
                target.put(disk.read(offset, length));
            } finally {
                requests.decrementAndGet();
            }
        }

        @Override
        public void close() {
            readerClosed = true;
        }

        private void requireUsable() {
            requireOpen();
            if (readerClosed) {
                throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm, disk.id()), "the reader is closed");
            }
        }
    }
}
