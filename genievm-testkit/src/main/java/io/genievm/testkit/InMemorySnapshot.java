package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A snapshot of an {@link InMemoryVm}; refuses what the SPI forbids its caller. */
final class InMemorySnapshot implements VmSnapshot {
    private final InMemoryHypervisor hypervisor;
    private final InMemoryConnection connection;
    private final InMemoryVm vm;
    private final InMemoryVm.Frozen frozen;
    private final SnapshotRequest request;
    private final List<SnapshotDisk> disks = new ArrayList<>();
    private final List<DriverFact> facts = new CopyOnWriteArrayList<>();
    private final AtomicReference<@Nullable String> outcome = new AtomicReference<>();
    private final AtomicInteger openReaders = new AtomicInteger();
    private final AtomicBoolean closed = new AtomicBoolean();

    InMemorySnapshot(
            InMemoryHypervisor hypervisor,
            InMemoryConnection connection,
            InMemoryVm vm,
            InMemoryVm.Frozen frozen,
            SnapshotRequest request) {
        this.hypervisor = hypervisor;
        this.connection = connection;
        this.vm = vm;
        this.frozen = frozen;
        this.request = request;
        for (InMemoryDisk.Frozen disk : frozen.disks()) {
            disks.add(new Disk(disk));
        }
        facts.addAll(frozen.facts());
        if (request.quiesce() != QuiesceMode.NONE) {
            facts.add(new DriverFact(DriverFact.QUIESCE_REFUSED, null, "VMs in memory have no guest"));
        }
        frozen.disks().forEach(this::tellIfTrackingIsLost);
        hypervisor.countSnapshots(1);
    }

    @Override
    public VmDescription description() {
        return frozen.description();
    }

    @Override
    public List<SnapshotDisk> disks() {
        return List.copyOf(disks);
    }

    @Override
    public QuiesceMode quiesced() {
        return QuiesceMode.NONE;
    }

    @Override
    public List<DriverFact> facts() {
        return List.copyOf(facts);
    }

    @Override
    public void committed() {
        end(InMemoryHypervisor.Call.COMMITTED);
        vm.commit(request, frozen.disks());
    }

    @Override
    public void abandoned() {
        end(InMemoryHypervisor.Call.ABANDONED);
        vm.abandon(frozen.disks());
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            hypervisor.countSnapshots(-1);
            connection.forget(this);
            vm.release(frozen.disks());
            hypervisor.tell(InMemoryHypervisor.Call.CLOSE_SNAPSHOT, vm(), null, null);
        }
    }

    /** The outcome of a snapshot that is open when its connection is closed is not known: all tokens are kept. */
    void connectionClosed() {
        outcome.compareAndSet(null, "the end of the connection");
        vm.release(frozen.disks());
    }

    private void tellIfTrackingIsLost(InMemoryDisk.Frozen disk) {
        ChangeToken parent = request.parentTokens().get(disk.id());
        // Behind the end the parent's tokens may be dropped, which is no loss.
        Changes.Unknown unknown = parent == null || outcome.get() != null ? null : disk.whyUnknown(parent);
        if (unknown != null) {
            synchronized (facts) {
                if (facts.stream()
                        .noneMatch(fact -> fact.code().equals(DriverFact.TRACKING_LOST)
                                && disk.id().equals(fact.disk()))) {
                    facts.add(new DriverFact(DriverFact.TRACKING_LOST, disk.id(), unknown.message()));
                }
            }
        }
    }

    private void end(InMemoryHypervisor.Call call) {
        if (openReaders.get() > 0) {
            throw new IllegalStateException(call + " while " + openReaders.get() + " readers are open");
        }
        requireOpen();
        if (!outcome.compareAndSet(null, call.name())) {
            throw new IllegalStateException(call + " after " + outcome.get());
        }
        hypervisor.tell(call, vm(), null, null);
    }

    private VmId vm() {
        return vm.id();
    }

    private void requireOpen() {
        connection.requireOpen();
        if (closed.get()) {
            throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm()), "the snapshot is closed");
        }
    }

    private final class Disk implements SnapshotDisk {
        private final InMemoryDisk.Frozen disk;
        private final AtomicInteger readers = new AtomicInteger();

        Disk(InMemoryDisk.Frozen disk) {
            this.disk = disk;
        }

        @Override
        public DiskId id() {
            return disk.id();
        }

        @Override
        public long capacity() {
            return disk.capacity();
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.ofNullable(disk.token());
        }

        @Override
        public DiskLimits limits() {
            return disk.limits();
        }

        @Override
        public ExtentCursor allocated() {
            tell(InMemoryHypervisor.Call.ALLOCATED);
            return disk.allocated();
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            tell(InMemoryHypervisor.Call.CHANGES_SINCE);
            tellIfTrackingIsLost(disk);
            return disk.changesSince(token);
        }

        @Override
        public DiskReader openReader() {
            tell(InMemoryHypervisor.Call.OPEN_READER);
            if (readers.incrementAndGet() > disk.limits().readers()) {
                readers.decrementAndGet();
                throw new IllegalStateException("more readers of disk '" + disk.id() + "' than its limits allow: "
                        + disk.limits().readers());
            }
            openReaders.incrementAndGet();
            hypervisor.countReaders(1);
            return new Reader(this);
        }

        @Override
        public void confirmUnchanged() {
            if (readers.get() > 0) {
                throw new IllegalStateException(
                        "confirmUnchanged while " + readers.get() + " readers of disk '" + disk.id() + "' are open");
            }
            tell(InMemoryHypervisor.Call.CONFIRM_UNCHANGED);
        }

        private void tell(InMemoryHypervisor.Call call) {
            requireOpen();
            hypervisor.tell(call, vm(), disk.id(), null);
        }
    }

    private final class Reader implements DiskReader {
        private final Disk disk;
        private final AtomicInteger requests = new AtomicInteger();
        private final AtomicBoolean readerClosed = new AtomicBoolean();

        Reader(Disk disk) {
            this.disk = disk;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            requireUsable();
            int length = target.remaining();
            requireAllowed(offset, length);
            try {
                if (requests.incrementAndGet() > disk.limits().requestsPerReader()) {
                    throw new IllegalStateException(
                            "more calls of a reader of disk '" + disk.id() + "' at a time than its limits allow");
                }
                if (length > 0) {
                    hypervisor.tell(InMemoryHypervisor.Call.READ, vm(), disk.id(), new Extent(offset, length));
                }
                requireUsable();
                byte[] bytes = new byte[length];
                disk.disk.read(offset, bytes);
                target.put(bytes);
            } finally {
                requests.decrementAndGet();
            }
        }

        @Override
        public void close() {
            if (readerClosed.compareAndSet(false, true)) {
                disk.readers.decrementAndGet();
                openReaders.decrementAndGet();
                hypervisor.countReaders(-1);
            }
        }

        private void requireUsable() {
            requireOpen();
            if (readerClosed.get()) {
                throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm(), disk.id()), "the reader is closed");
            }
        }

        private void requireAllowed(long offset, int length) {
            DiskLimits limits = disk.limits();
            long end = offset + length;
            if (offset < 0
                    || end > disk.capacity()
                    || length > limits.maxRequest()
                    || offset % limits.alignment() != 0
                    || length % limits.alignment() != 0 && end != disk.capacity()) {
                throw new IllegalArgumentException("a read of " + offset + "+" + length + " of disk '" + disk.id()
                        + "' of " + disk.capacity() + " bytes with " + limits);
            }
        }
    }
}
