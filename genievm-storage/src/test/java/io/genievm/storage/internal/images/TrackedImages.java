package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.testkit.ForwardingHypervisorConnection;
import io.genievm.testkit.KnownVm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The images driver as it is used with lists of changes. A VM that is written all the time lives elsewhere, here in
 * memory, where the history of its disks is kept; before every snapshot its disks are exported to the folder of the
 * driver, each with an honest list of what was written since the token of the parent.
 */
final class TrackedImages implements HypervisorProvider {
    private final ImagesProvider provider = new ImagesProvider();
    private final VmId vm;
    private final Path folder;
    private final Map<DiskId, Disk> disks = new TreeMap<>();
    private int marks;

    /** A disk as its guest sees it. */
    private static final class Disk {
        private final byte[] bytes;
        private boolean isExported = true;

        /** For every mark which bytes were written since. */
        private final Map<ChangeToken, BitSet> history = new HashMap<>();

        Disk(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    /** Takes a VM whose images lie in the folder already. */
    TrackedImages(KnownVm vm, Set<DiskId> tracked, Path folder) {
        this.vm = vm.id();
        this.folder = folder;
        tracked.forEach(id -> disks.put(
                id, new Disk(Objects.requireNonNull(vm.disks().get(id)).clone())));
    }

    Set<DiskId> tracked() {
        return disks.keySet();
    }

    synchronized void write(DiskId id, long offset, byte[] bytes) {
        Disk disk = disk(id);
        int start = Math.toIntExact(offset);
        System.arraycopy(bytes, 0, disk.bytes, start, bytes.length);
        disk.isExported = false;
        disk.history.values().forEach(written -> written.set(start, start + bytes.length));
    }

    synchronized void loseTracking(DiskId id) {
        disk(id).history.clear();
    }

    @Override
    public String name() {
        return provider.name();
    }

    @Override
    public Set<String> schemes() {
        return provider.schemes();
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        return new ForwardingHypervisorConnection(provider.open(config)) {
            @Override
            public VmSnapshot beginSnapshot(VmId id, SnapshotRequest request) {
                if (id.equals(vm)) {
                    export(request.parentTokens());
                }
                return super.beginSnapshot(id, request);
            }
        };
    }

    private synchronized void export(Map<DiskId, ChangeToken> parents) {
        for (Map.Entry<DiskId, Disk> entry : disks.entrySet()) {
            DiskId id = entry.getKey();
            Path image = folder.resolve(id.value());
            ChangeToken token = new ChangeToken(id + " at \u2116 " + ++marks);
            try {
                if (!entry.getValue().isExported) {
                    Files.delete(image);
                    Images.write(image, entry.getValue().bytes);
                    entry.getValue().isExported = true;
                }
                Files.writeString(Entry.changeListOf(image), list(entry.getValue(), token, parents.get(id)));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            entry.getValue().history.put(token, new BitSet());
        }
    }

    private static String list(Disk disk, ChangeToken token, @Nullable ChangeToken since) {
        BitSet written = disk.history.get(since);
        if (written == null) {
            return "{\"token\":\"" + token + "\"}\n";
        }
        StringBuilder list = new StringBuilder("{\"token\":\"" + token + "\",\"since\":\"" + since + "\"}\n");
        for (int start = written.nextSetBit(0); start >= 0; start = written.nextSetBit(start)) {
            int end = written.nextClearBit(start);
            list.append("{\"offset\":" + start + ",\"length\":" + (end - start) + "}\n");
            start = end;
        }
        return list.toString();
    }

    private Disk disk(DiskId id) {
        Disk disk = disks.get(id);
        if (disk == null) {
            throw new IllegalArgumentException("disk '" + id + "' is not tracked");
        }
        return disk;
    }
}
