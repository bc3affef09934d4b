package io.genievm.kvm.internal;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.internal.libvirt.LibvirtDomain;
import io.genievm.kvm.internal.restore.ExistingDisks;
import io.genievm.kvm.internal.restore.NewDomains;
import io.genievm.kvm.internal.snapshot.Snapshots;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A connection to the libvirt daemon of this machine. Safe for use by several threads. */
final class KvmConnection implements HypervisorConnection {
    private static final Set<Capability> CAPABILITIES = Set.of(
            Capability.CHANGE_TRACKING,
            Capability.ALLOCATION,
            Capability.QUIESCE_FILE_SYSTEM,
            Capability.ATOMIC_SNAPSHOT);

    private final KvmOptions options;
    private final LibvirtConnection libvirt;
    private final Snapshots snapshots;
    private final Set<VmSnapshot> open = new HashSet<>();
    private int beginning;
    private boolean closed;

    KvmConnection(KvmOptions options, Clock clock) {
        this.options = options;
        this.libvirt = LibvirtConnection.open(options.uri());
        this.snapshots = new Snapshots(libvirt, options, clock);
    }

    @Override
    public Set<Capability> capabilities() {
        return CAPABILITIES;
    }

    @Override
    public String providerName() {
        return KvmProvider.NAME;
    }

    @Override
    public String sourceId() {
        return libvirt.hostUuid();
    }

    @Override
    public VmListing vms() {
        checkOpen();
        List<VmSummary> vms = new ArrayList<>();
        List<DriverFact> facts = new ArrayList<>();
        for (LibvirtDomain domain : libvirt.domains()) {
            String name = nameOf(domain);
            if (name != null) {
                try {
                    vms.add(new VmSummary(new VmId(name), name));
                } catch (IllegalArgumentException e) {
                    facts.add(new DriverFact(
                            "VM_IGNORED", null, "domain " + domain.uuid() + " is ignored: " + e.getMessage()));
                }
            }
        }
        vms.sort(Comparator.comparing(vm -> vm.id().value()));
        return new VmListing(vms, facts);
    }

    /** The name of a domain, or {@code null} when it has vanished meanwhile. */
    private static @Nullable String nameOf(LibvirtDomain domain) {
        try {
            return domain.name();
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return null;
            }
            throw e;
        }
    }

    @Override
    public VmDescription describe(VmId vm) {
        checkOpen();
        return snapshots.describe(vm);
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        synchronized (open) {
            checkOpen();
            beginning++;
        }
        try {
            VmSnapshot snapshot = snapshots.begin(vm, request, this::forget);
            synchronized (open) {
                if (!closed) {
                    open.add(snapshot);
                    return snapshot;
                }
            }
            try (snapshot) {
                snapshot.abandoned();
            }
            throw closedError();
        } finally {
            synchronized (open) {
                beginning--;
                open.notifyAll();
            }
        }
    }

    private void forget(VmSnapshot snapshot) {
        synchronized (open) {
            open.remove(snapshot);
        }
    }

    @Override
    public <A> Optional<A> ability(Class<A> type) {
        if (type == VmCreation.class) {
            return Optional.of(type.cast(new NewDomains(libvirt, KvmOptions.SOCKETS)));
        }
        if (type == DiskWriting.class) {
            return Optional.of(type.cast(new ExistingDisks(libvirt, KvmOptions.SOCKETS)));
        }
        return Optional.empty();
    }

    @Override
    public void close() {
        List<VmSnapshot> left;
        synchronized (open) {
            if (closed) {
                return;
            }
            closed = true;
            left = List.copyOf(open);
            awaitBeginnings();
        }
        GenieVmException failure = null;
        for (VmSnapshot snapshot : left) {
            try {
                snapshot.close();
            } catch (GenieVmException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        libvirt.close();
        if (failure != null) {
            throw failure;
        }
    }

    /** A guest that is frozen for a snapshot that is just being begun is thawed through this connection. */
    private void awaitBeginnings() {
        boolean interrupted = false;
        while (beginning > 0) {
            try {
                open.wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void checkOpen() {
        synchronized (open) {
            if (closed) {
                throw closedError();
            }
        }
    }

    private GenieVmException closedError() {
        return new GenieVmException(
                ErrorCode.CLOSED, Resource.named(options.uri()), "the connection to " + options.uri() + " is closed");
    }
}
