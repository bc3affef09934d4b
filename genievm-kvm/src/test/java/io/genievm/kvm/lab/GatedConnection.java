package io.genievm.kvm.lab;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Keeps the engine from a snapshot that the driver has begun, until it may be read: in between a test does as it likes. */
final class GatedConnection implements HypervisorConnection {
    private final HypervisorConnection connection;
    private final CountDownLatch begun = new CountDownLatch(1);
    private final CountDownLatch open = new CountDownLatch(1);

    GatedConnection(HypervisorConnection connection) {
        this.connection = connection;
    }

    /** Waits until a snapshot has begun, or could not. */
    boolean awaitBegun(long seconds) throws InterruptedException {
        return begun.await(seconds, TimeUnit.SECONDS);
    }

    void open() {
        open.countDown();
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        try {
            VmSnapshot snapshot = connection.beginSnapshot(vm, request);
            begun.countDown();
            open.await();
            return snapshot;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        } finally {
            begun.countDown();
        }
    }

    @Override
    public Set<Capability> capabilities() {
        return connection.capabilities();
    }

    @Override
    public String providerName() {
        return connection.providerName();
    }

    @Override
    public String sourceId() {
        return connection.sourceId();
    }

    @Override
    public VmListing vms() {
        return connection.vms();
    }

    @Override
    public VmDescription describe(VmId vm) {
        return connection.describe(vm);
    }

    @Override
    public <A> Optional<A> ability(Class<A> type) {
        return connection.ability(type);
    }

    @Override
    public void close() {
        connection.close();
    }
}
