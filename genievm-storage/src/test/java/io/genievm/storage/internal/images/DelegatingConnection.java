package io.genievm.storage.internal.images;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.Optional;
import java.util.Set;

/** Another connection under a new coat. */
class DelegatingConnection implements HypervisorConnection {
    private final HypervisorConnection connection;

    DelegatingConnection(HypervisorConnection connection) {
        this.connection = connection;
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
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        return connection.beginSnapshot(vm, request);
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
