package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A connection to an {@link InMemoryHypervisor}. */
final class InMemoryConnection implements HypervisorConnection, VmCreation, DiskWriting {
    private final InMemoryHypervisor hypervisor;
    private final boolean tracks;
    private final Set<InMemorySnapshot> snapshots = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    InMemoryConnection(InMemoryHypervisor hypervisor, boolean tracks) {
        this.hypervisor = hypervisor;
        this.tracks = tracks;
    }

    @Override
    public Set<Capability> capabilities() {
        return tracks
                ? Set.of(Capability.ALLOCATION, Capability.ATOMIC_SNAPSHOT, Capability.CHANGE_TRACKING)
                : Set.of(Capability.ALLOCATION, Capability.ATOMIC_SNAPSHOT);
    }

    @Override
    public String providerName() {
        return InMemoryHypervisorProvider.NAME;
    }

    @Override
    public String sourceId() {
        return hypervisor.sourceId();
    }

    @Override
    public VmListing vms() {
        requireOpen();
        return new VmListing(
                hypervisor.all().stream()
                        .map(InMemoryVm::describe)
                        .map(vm -> new VmSummary(vm.id(), vm.name()))
                        .toList(),
                List.of());
    }

    @Override
    public VmDescription describe(VmId vm) {
        requireOpen();
        return find(vm).describe();
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        requireOpen();
        hypervisor.tell(InMemoryHypervisor.Call.BEGIN_SNAPSHOT, vm, null, null);
        requireWanted(request.cancellation());
        InMemoryVm found = find(vm);
        // Asked without the VM's lock: the answer comes from the repository.
        Set<SessionId> ended =
                found.otherSessions(request).stream().filter(request::hasEnded).collect(Collectors.toSet());
        InMemorySnapshot snapshot =
                new InMemorySnapshot(hypervisor, this, found, found.freeze(request, tracks, ended), request);
        snapshots.add(snapshot);
        if (closed) {
            snapshot.connectionClosed();
        }
        return snapshot;
    }

    @Override
    public NewVm create(NewVmRequest request) {
        requireOpen();
        VmId vm = newId(request.name());
        hypervisor.tell(InMemoryHypervisor.Call.CREATE_VM, vm, null, null);
        requireWanted(request.cancellation());
        if (!request.options().isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.of(vm),
                    "a VM in memory has no options; remove " + request.options().keySet());
        }
        if (hypervisor.find(vm) != null) {
            throw exists(vm);
        }
        InMemoryVm created = new InMemoryVm(vm);
        created.shutOff(true);
        created.hardware(request.hardware());
        request.disks().forEach(disk -> created.addDisk(disk.id().value(), disk.capacity()));
        return new Created(created);
    }

    @Override
    public WritableDisk openDisk(VmId vm, DiskId disk) {
        requireOpen();
        hypervisor.tell(InMemoryHypervisor.Call.OPEN_DISK, vm, disk, null);
        InMemoryVm found = find(vm);
        InMemoryDisk existing = found.disks().stream()
                .filter(each -> each.id().equals(disk))
                .findFirst()
                .orElseThrow(() -> new GenieVmException(
                        ErrorCode.NOT_FOUND, Resource.of(vm, disk), "VM '" + vm + "' has no disk '" + disk + "'"));
        if (!found.isShutOff()) {
            throw new GenieVmException(
                    ErrorCode.BUSY, Resource.of(vm, disk), "VM '" + vm + "' runs; shut it down first");
        }
        return new InMemoryWritableDisk(hypervisor, this, vm, existing);
    }

    @Override
    public void close() {
        closed = true;
        snapshots.forEach(InMemorySnapshot::connectionClosed);
    }

    void forget(InMemorySnapshot snapshot) {
        snapshots.remove(snapshot);
    }

    void requireOpen() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the connection is closed");
        }
    }

    private InMemoryVm find(VmId vm) {
        InMemoryVm found = hypervisor.find(vm);
        if (found == null) {
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.of(vm), "there is no VM '" + vm + "'");
        }
        return found;
    }

    private static void requireWanted(Cancellation cancellation) {
        if (cancellation.isCancelled()) {
            throw new GenieVmException(ErrorCode.CANCELLED, "nobody wants it any more");
        }
    }

    private static VmId newId(String name) {
        try {
            return new VmId(name);
        } catch (IllegalArgumentException e) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT, Resource.named(name), "no VM can have this name: " + e.getMessage(), e);
        }
    }

    private static GenieVmException exists(VmId vm) {
        return new GenieVmException(ErrorCode.ALREADY_EXISTS, Resource.of(vm), "there is a VM '" + vm + "' already");
    }

    /** A VM under construction. */
    private final class Created implements NewVm {
        private final InMemoryVm vm;
        private volatile @Nullable String ended;

        Created(InMemoryVm vm) {
            this.vm = vm;
        }

        @Override
        public DiskWriter openWriter(DiskId disk) {
            requireUnderConstruction();
            return new InMemoryWriter(
                    hypervisor, vm.id(), vm.disk(disk.value()), DiskLimits.FILE, this::requireUnderConstruction);
        }

        @Override
        public VmId complete() {
            requireUnderConstruction();
            hypervisor.tell(InMemoryHypervisor.Call.COMPLETE_VM, vm.id(), null, null);
            if (!hypervisor.add(vm)) {
                throw exists(vm.id());
            }
            ended = "complete";
            return vm.id();
        }

        @Override
        public void close() {
            if (ended == null) {
                ended = "closed";
            }
        }

        private void requireUnderConstruction() {
            requireOpen();
            if (ended != null) {
                throw new GenieVmException(ErrorCode.CLOSED, Resource.of(vm.id()), "the new VM is " + ended);
            }
        }
    }
}
