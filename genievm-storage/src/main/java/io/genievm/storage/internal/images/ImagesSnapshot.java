package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.storage.internal.file.FileErrors;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** The images of a VM while they are read. Nothing freezes them: what they were at the beginning is remembered. */
final class ImagesSnapshot implements VmSnapshot, Scope.Part {
    /** Longer than the clock tick from which a file system takes its times: 10 ms at 100 Hz. */
    private static final long TICK_MILLIS = 20;

    private final VmDescription description;
    private final List<SnapshotDisk> disks;
    private final CopyOnWriteArrayList<DriverFact> facts;
    private final Scope parent;
    private final Scope scope;
    private boolean ended;

    /** What an image and its list of changes were; {@code null} for the list of a disk that is excluded. */
    private record Seen(
            ImagesVm.Image image, FileState state, @Nullable ChangeListState list) {
        boolean isAsYoungAs(Instant moment) {
            return state.isAsYoungAs(moment) || (list != null && list.isAsYoungAs(moment));
        }
    }

    private ImagesSnapshot(ImagesVm vm, List<Seen> seen, SnapshotRequest request, Scope parent) {
        this.description = vm.description();
        this.facts = new CopyOnWriteArrayList<>(vm.facts());
        this.parent = parent;
        this.scope = new Scope("the snapshot of VM '" + vm.id() + "'");
        List<SnapshotDisk> all = new ArrayList<>();
        for (Seen one : seen) {
            if (one.list() != null) {
                ChangeList changes = ChangeList.open(vm, one.image(), one.list(), facts::addIfAbsent);
                all.add(new ImageDisk(one.image(), one.state(), changes, scope, facts::addIfAbsent));
            }
        }
        this.disks = List.copyOf(all);
        if (request.quiesce() != QuiesceMode.NONE) {
            facts.add(new DriverFact(
                    DriverFact.QUIESCE_REFUSED, null, "a folder of images has no guest that could be quiesced"));
        }
    }

    static ImagesSnapshot of(ImagesVm vm, SnapshotRequest request, Clock clock, Scope parent) {
        Wanted.require(request.cancellation(), "the snapshot of VM '" + vm.id() + "'");
        requireDisks(vm, request.excludedDisks());
        for (ImagesVm.Image image : vm.images()) {
            if (!request.excludedDisks().contains(image.id())) {
                requireReadable(vm, image);
            }
        }
        List<Seen> seen = look(vm, request.excludedDisks());
        Instant tick = clock.instant().minusMillis(TICK_MILLIS);
        if (seen.stream().anyMatch(one -> one.isAsYoungAs(tick))) {
            // A file written a moment ago can be written again without its times changing. A tick later it can not.
            awaitTick();
            seen = look(vm, request.excludedDisks());
        }
        return new ImagesSnapshot(withSizes(vm, seen), seen, request, parent);
    }

    @Override
    public VmDescription description() {
        return description;
    }

    @Override
    public List<SnapshotDisk> disks() {
        return disks;
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
        end();
    }

    @Override
    public void abandoned() {
        end();
    }

    @Override
    public void close() {
        parent.remove(this);
        scope.close();
    }

    private synchronized void end() {
        if (ended) {
            throw new IllegalStateException("the snapshot was committed or abandoned before");
        }
        ended = true;
    }

    private static void awaitTick() {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(TICK_MILLIS);
        for (long left = end - System.nanoTime(); left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private static void requireDisks(ImagesVm vm, Set<DiskId> excluded) {
        Set<DiskId> unknown = new HashSet<>(excluded);
        List<DiskId> known = vm.images().stream().map(ImagesVm.Image::id).toList();
        known.forEach(unknown::remove);
        if (!unknown.isEmpty()) {
            DiskId first = unknown.stream().sorted().findFirst().orElseThrow();
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    Resource.of(vm.id(), first),
                    "VM '" + vm.id() + "' has no disk '" + first + "' to exclude; its disks: " + known);
        }
    }

    private static void requireReadable(ImagesVm vm, ImagesVm.Image image) {
        try (FileChannel channel = FileChannel.open(image.file(), StandardOpenOption.READ)) {
            channel.size();
        } catch (IOException e) {
            throw failure(vm, image, e);
        }
    }

    private static List<Seen> look(ImagesVm vm, Set<DiskId> excluded) {
        List<Seen> seen = new ArrayList<>();
        for (ImagesVm.Image image : vm.images()) {
            try {
                FileState state = FileState.of(image.file());
                ChangeListState list =
                        excluded.contains(image.id()) ? null : ChangeListState.look(vm.top(), image.changeList());
                seen.add(new Seen(image, state, list));
            } catch (IOException e) {
                throw failure(vm, image, e);
            }
        }
        return seen;
    }

    private static ImagesVm withSizes(ImagesVm vm, List<Seen> seen) {
        List<ImagesVm.Image> images = new ArrayList<>();
        for (Seen one : seen) {
            ImagesVm.Image image = one.image();
            images.add(new ImagesVm.Image(
                    image.id(), image.path(), image.file(), one.state().size()));
        }
        return new ImagesVm(vm.id(), vm.top(), images, vm.facts());
    }

    private static GenieVmException failure(ImagesVm vm, ImagesVm.Image image, IOException cause) {
        return FileErrors.of("can not read " + image.file(), Resource.of(vm.id(), image.id()), cause);
    }
}
