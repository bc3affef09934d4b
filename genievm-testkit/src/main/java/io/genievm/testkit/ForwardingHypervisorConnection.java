package io.genievm.testkit;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.Optional;
import java.util.Set;

/**
 * A connection that passes every call on to another. Extend it to watch, delay or break some of them. As safe for use by
 * several threads as the other. Abilities are those of the other and bypass whatever is overridden here, {@link #ability}
 * excepted.
 *
 * @since 0.1
 */
public class ForwardingHypervisorConnection implements HypervisorConnection {
    private final HypervisorConnection connection;

    /**
     * Makes a connection before another.
     *
     * @param connection where the calls go; closed with this one
     */
    protected ForwardingHypervisorConnection(HypervisorConnection connection) {
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
