package io.genievm.kvm.lab;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.testkit.ForwardingHypervisorConnection;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Keeps the engine from a snapshot that the driver has begun, until it may be read: in between a test does as it likes. */
final class GatedConnection extends ForwardingHypervisorConnection {
    private final CountDownLatch begun = new CountDownLatch(1);
    private final CountDownLatch open = new CountDownLatch(1);

    GatedConnection(HypervisorConnection connection) {
        super(connection);
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
            VmSnapshot snapshot = super.beginSnapshot(vm, request);
            begun.countDown();
            open.await();
            return snapshot;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        } finally {
            begun.countDown();
        }
    }
}
