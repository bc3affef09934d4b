package com.example.toaster;

import com.example.toaster.ToasterProvider.Life;
import io.genievm.api.*;
import io.genievm.api.hypervisor.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/** A connection to a Toaster. A VM is a folder, a disk a folder in it, which {@link ToasterDisk} describes. */
record Toaster(String providerName, String sourceId, Set<Capability> capabilities, Path folder, Life life)
        implements HypervisorConnection {
    @Override
    public VmListing vms() {
        life.requireOpen();
        return new VmListing(
                foldersIn(folder).map(vm -> new VmSummary(new VmId(vm), vm)).toList(), List.of());
    }

    @Override
    public VmDescription describe(VmId vm) {
        return describe(vm, disks(vm, "", life));
    }

    // guide: begin
    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        Life open = new Life(life, new AtomicBoolean());
        List<ToasterDisk> all = disks(vm, request.session().value(), open);
        for (DiskId excluded : request.excludedDisks()) {
            if (all.stream().noneMatch(disk -> disk.id().equals(excluded))) {
                throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.of(vm, excluded), "no disk " + excluded);
            }
        }
        if (request.cancellation().isCancelled()) {
            throw new GenieVmException(ErrorCode.CANCELLED, Resource.of(vm), "nobody wants this snapshot any more");
        }
        List<DriverFact> facts = new ArrayList<>();
        if (request.quiesce() != QuiesceMode.NONE) {
            facts.add(new DriverFact(DriverFact.QUIESCE_REFUSED, null, "a Toaster can not bring its guests to rest"));
        }
        List<SnapshotDisk> wanted = new ArrayList<>(all);
        wanted.removeIf(disk -> request.excludedDisks().contains(disk.id()));
        for (SnapshotDisk disk : wanted) {
            ChangeToken parent = request.parentTokens().get(disk.id());
            if (parent != null && disk.changesSince(parent) instanceof Changes.Unknown why) {
                facts.add(new DriverFact(DriverFact.TRACKING_LOST, disk.id(), why.message()));
            }
        }
        return new Snapshot(describe(vm, all), List.copyOf(wanted), QuiesceMode.NONE, List.copyOf(facts), open);
    }
    // guide: end

    @Override
    public void close() {
        life.ended().set(true);
    }

    private List<ToasterDisk> disks(VmId vm, String session, Life open) {
        life.requireOpen();
        Path of = folder.resolve(vm.value());
        return foldersIn(of)
                .map(disk -> ToasterDisk.copy(of.resolve(disk), session, open))
                .toList();
    }

    private static VmDescription describe(VmId vm, List<ToasterDisk> all) {
        var disks = all.stream()
                .map(disk -> new VmDescription.Disk(disk.id(), disk.capacity()))
                .toList();
        return new VmDescription(vm, vm.value(), disks, Map.of(), List.of());
    }

    private static Stream<String> foldersIn(Path folder) {
        return ToasterProvider.read(folder, () -> {
            try (Stream<Path> paths = Files.list(folder).filter(Files::isDirectory)) {
                return paths.map(path -> path.getFileName().toString()).sorted().toList().stream();
            }
        });
    }

    // guide: snapshot
    /** Its end leaves nothing to do: nothing was made on the Toaster, and a token is a line of a log, for ever. */
    record Snapshot(
            VmDescription description,
            List<SnapshotDisk> disks,
            QuiesceMode quiesced,
            List<DriverFact> facts,
            Life life)
            implements VmSnapshot {
        @Override
        public void committed() {}

        @Override
        public void abandoned() {}

        @Override
        public void close() {
            life.ended().set(true);
        }
    }
    // guide: end
}
