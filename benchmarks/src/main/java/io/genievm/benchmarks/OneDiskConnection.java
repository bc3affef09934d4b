package io.genievm.benchmarks;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A hypervisor with one VM of one disk, all of which is allocated and whose changes are not tracked. Every new VM is made of
 * the same writer. Unlike the fake of the test kit it checks nothing, and it copies nothing itself: what is allocated while
 * data moves is the engine's.
 */
final class OneDiskConnection implements HypervisorConnection, VmCreation {
    /** The VM. */
    static final VmId VM = new VmId("vm");

    private static final DiskId DISK = new DiskId("disk");

    private final long capacity;
    private final DiskReader reader;
    private final DiskWriter writer;

    /**
     * Makes a connection.
     *
     * @param capacity of the disk in bytes
     * @param reader what every snapshot is read with, by any number of threads; closed by whoever is handed it
     * @param writer what new VMs are written with, by any number of threads; closed by whoever is handed it
     */
    OneDiskConnection(long capacity, DiskReader reader, DiskWriter writer) {
        this.capacity = capacity;
        this.reader = reader;
        this.writer = writer;
    }

    @Override
    public Set<Capability> capabilities() {
        return Set.of(Capability.ATOMIC_SNAPSHOT);
    }

    @Override
    public String providerName() {
        return "benchmark";
    }

    @Override
    public String sourceId() {
        return "benchmark";
    }

    @Override
    public VmListing vms() {
        return new VmListing(List.of(new VmSummary(VM, VM.value())), List.of());
    }

    @Override
    public VmDescription describe(VmId vm) {
        return new VmDescription(VM, VM.value(), List.of(new VmDescription.Disk(DISK, capacity)), Map.of(), List.of());
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        return new Snapshot();
    }

    @Override
    public NewVm create(NewVmRequest request) {
        return new Created();
    }

    @Override
    public void close() {}

    private final class Snapshot implements VmSnapshot {
        @Override
        public VmDescription description() {
            return describe(VM);
        }

        @Override
        public List<SnapshotDisk> disks() {
            return List.of(new Disk());
        }

        @Override
        public QuiesceMode quiesced() {
            return QuiesceMode.NONE;
        }

        @Override
        public List<DriverFact> facts() {
            return List.of();
        }

        @Override
        public void committed() {}

        @Override
        public void abandoned() {}

        @Override
        public void close() {}
    }

    private final class Disk implements SnapshotDisk {
        @Override
        public DiskId id() {
            return DISK;
        }

        @Override
        public long capacity() {
            return capacity;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return DiskLimits.FILE;
        }

        @Override
        public ExtentCursor allocated() {
            return ExtentCursor.whole(capacity);
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            return new Changes.Unknown("NO_TRACKING", "changes are not tracked");
        }

        @Override
        public DiskReader openReader() {
            return reader;
        }
    }

    private final class Created implements NewVm {
        @Override
        public DiskWriter openWriter(DiskId disk) {
            return writer;
        }

        @Override
        public VmId complete() {
            return new VmId("restored");
        }

        @Override
        public void close() {}
    }
}
