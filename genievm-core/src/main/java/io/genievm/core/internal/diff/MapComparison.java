package io.genievm.core.internal.diff;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.core.PointDiff;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.repository.MapReader;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.RepositoryAccess;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Compares the maps of two points. For one thread at a time, but for {@link #close}, which waits for the page that is being
 * read just then.
 */
public final class MapComparison implements PointDiff {
    private final RepositoryAccess access;
    private final Manifest from;
    private final Manifest to;
    private final Consumer<PointDiff> onClose;
    private final List<Disk> disks;
    private IndexView index;
    private MapReader maps;
    private long bytesReadBefore;
    private boolean indexReread;
    private boolean closed;

    private MapComparison(RepositoryAccess access, Manifest from, Manifest to, Consumer<PointDiff> onClose) {
        this.access = access;
        this.from = from;
        this.to = to;
        this.onClose = onClose;
        this.disks = pairs();
        this.index = loadIndex(access);
        try {
            this.maps = new MapReader(access, index);
        } catch (RuntimeException | Error e) {
            index.close();
            throw e;
        }
    }

    /**
     * Finds the points and reads the index.
     *
     * @param access the repository; its store throws when the comparison is not wanted any more
     * @param from the point to compare with
     * @param to the point that is compared
     * @param onClose is told when it is closed
     */
    public static MapComparison open(
            RepositoryAccess access, SessionId from, SessionId to, Consumer<PointDiff> onClose) {
        PointCatalog catalog = PointCatalog.read(access);
        Manifest first = catalog.point(from);
        Manifest second = catalog.point(to);
        if (!first.vm().equals(second.vm())) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(to.value()),
                    "point " + from + " is of VM '" + first.vm() + "' and point " + to + " of VM '" + second.vm()
                            + "': only points of one VM can be compared");
        }
        return new MapComparison(access, first, second, onClose);
    }

    @Override
    public SessionId from() {
        return from.point();
    }

    @Override
    public SessionId to() {
        return to.point();
    }

    @Override
    public List<Disk> disks() {
        return disks;
    }

    @Override
    public synchronized long readBytes() {
        return bytesReadBefore + maps.fetchedBytes();
    }

    @Override
    public void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            maps.close();
            index.close();
        }
        onClose.accept(this);
    }

    synchronized void requireOpen() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the comparison is closed");
        }
    }

    /** Reads a page. What is missing or damaged is looked for once more in the index read anew, and then in the list. */
    synchronized MapPage page(byte[] ids, int idOffset, int level) {
        requireOpen();
        try {
            return maps.page(ids, idOffset, level);
        } catch (CorruptDataException e) {
            if (!indexReread) {
                rereadIndex();
                return page(ids, idOffset, level);
            }
            // A point that was deleted meanwhile is not damaged but not there any more.
            PointCatalog catalog = PointCatalog.read(access, from.vm());
            catalog.point(from.point());
            catalog.point(to.point());
            throw e;
        }
    }

    /** The object that a page was read from. */
    synchronized String keyOf(byte[] ids, int idOffset) {
        requireOpen();
        return maps.keyOf(ids, idOffset);
    }

    private void rereadIndex() {
        IndexView fresh = loadIndex(access);
        MapReader reader;
        try {
            reader = new MapReader(access, fresh);
        } catch (RuntimeException | Error e) {
            fresh.close();
            throw e;
        }
        bytesReadBefore += maps.fetchedBytes();
        maps.close();
        index.close();
        maps = reader;
        index = fresh;
        indexReread = true;
    }

    private static IndexView loadIndex(RepositoryAccess access) {
        return IndexView.load(
                access.store(), access.id(), access.workFiles(), List.of(), IndexView.Adoption.ALL, () -> {});
    }

    private List<Disk> pairs() {
        Map<String, Manifest.Disk> before = byId(from);
        Map<String, Manifest.Disk> after = byId(to);
        Map<String, Disk> pairs = new TreeMap<>();
        before.forEach((id, disk) -> pairs.put(id, new DiskPair(disk.id(), disk, after.get(id))));
        after.forEach((id, disk) -> pairs.putIfAbsent(id, new DiskPair(disk.id(), null, disk)));
        return List.copyOf(new ArrayList<>(pairs.values()));
    }

    private static Map<String, Manifest.Disk> byId(Manifest manifest) {
        Map<String, Manifest.Disk> disks = new TreeMap<>();
        manifest.disks().forEach(disk -> disks.put(disk.id().value(), disk));
        return disks;
    }

    private final class DiskPair implements Disk {
        private final DiskId id;
        private final Manifest.@Nullable Disk before;
        private final Manifest.@Nullable Disk after;

        DiskPair(DiskId id, Manifest.@Nullable Disk before, Manifest.@Nullable Disk after) {
            this.id = id;
            this.before = before;
            this.after = after;
        }

        @Override
        public DiskId id() {
            return id;
        }

        @Override
        public @Nullable Long fromCapacity() {
            return before == null ? null : Long.valueOf(before.capacity());
        }

        @Override
        public @Nullable Long toCapacity() {
            return after == null ? null : Long.valueOf(after.capacity());
        }

        @Override
        public ExtentCursor extents() {
            return new DifferenceCursor(
                    MapComparison.this, before, after, access.options().chunkSize());
        }
    }
}
