package io.genievm.storage.internal.images;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;

/** A place with images. Nothing is kept open for it but its snapshots. */
final class ImagesConnection implements HypervisorConnection {
    private static final int MAX_SOURCE_ID = 255;

    private final Inventory inventory;
    private final Clock clock;
    private final Scope scope = new Scope("the connection");

    ImagesConnection(Inventory inventory, Clock clock) {
        this.inventory = inventory;
        this.clock = clock;
    }

    @Override
    public Set<Capability> capabilities() {
        return Set.of(Capability.ALLOCATION, Capability.CHANGE_TRACKING);
    }

    @Override
    public String providerName() {
        return "images";
    }

    @Override
    public String sourceId() {
        String path = inventory.place().toString();
        return path.length() <= MAX_SOURCE_ID
                ? path
                : UUID.nameUUIDFromBytes(path.getBytes(StandardCharsets.UTF_8)).toString();
    }

    @Override
    public VmListing vms() {
        scope.requireOpen();
        return inventory.vms();
    }

    @Override
    public VmDescription describe(VmId vm) {
        scope.requireOpen();
        return inventory.find(vm).description();
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        scope.requireOpen();
        return scope.add(ImagesSnapshot.of(inventory.find(vm), request, clock, scope));
    }

    @Override
    public <A> Optional<A> ability(Class<A> type) {
        return type == VmCreation.class ? inventory.folder().map(top -> type.cast(creationIn(top))) : Optional.empty();
    }

    @Override
    public void close() {
        scope.close();
    }

    private VmCreation creationIn(Path top) {
        return request -> {
            scope.requireOpen();
            return scope.add(NewImagesVm.create(top, request, scope));
        };
    }
}
