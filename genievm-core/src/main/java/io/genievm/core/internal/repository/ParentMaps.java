package io.genievm.core.internal.repository;

import io.genievm.api.DiskId;
import io.genievm.api.GenieVmException;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.index.IndexView;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The chunk maps of a parent point, to compare with. Safe for use by several threads. */
public final class ParentMaps implements AutoCloseable {
    private final int chunkSize;
    private final Map<DiskId, Manifest.Disk> disks = new HashMap<>();
    private final Set<DiskId> unreadable = new HashSet<>();
    private final @Nullable MapReader reader;

    /** Reads the maps of a point, or of none. */
    public ParentMaps(RepositoryAccess access, IndexView index, @Nullable Manifest parent) {
        this.chunkSize = access.options().chunkSize();
        this.reader = parent == null ? null : new MapReader(access, index);
        if (parent != null) {
            parent.disks().forEach(disk -> disks.put(disk.id(), disk));
        }
    }

    /** How many entries of a page of the lowest level differ from the parent's; {@code null} for an empty page. */
    public synchronized int countDifferent(DiskId disk, long number, @Nullable MapPage page) {
        MapPage parent = leaf(disk, number);
        if (parent == null && page == null) {
            return 0;
        }
        int count = 0;
        for (int entry = 0; entry < MapPage.FAN_OUT; entry++) {
            if (parent == null || page == null) {
                MapPage one = parent == null ? page : parent;
                count += one == null || one.isNull(entry) ? 0 : 1;
            } else if (!IdHasher.equal(page.ids(), MapPage.offset(entry), parent.ids(), MapPage.offset(entry))) {
                count++;
            }
        }
        return count;
    }

    @Override
    public synchronized void close() {
        if (reader != null) {
            reader.close();
        }
    }

    private @Nullable MapPage leaf(DiskId id, long number) {
        Manifest.Disk disk = disks.get(id);
        if (disk == null || reader == null || unreadable.contains(id)) {
            return null;
        }
        try {
            return reader.leaf(disk.root(), disk.chunks(chunkSize), number);
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            // A damaged parent is verify's news; here it only means that nothing can be compared with it.
            unreadable.add(id);
            return null;
        }
    }
}
