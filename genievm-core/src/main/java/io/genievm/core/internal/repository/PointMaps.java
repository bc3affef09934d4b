package io.genievm.core.internal.repository;

import io.genievm.api.DiskId;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.index.IndexView;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The chunk maps of a point, to compare with and to go on from. Safe for use by several threads. */
public final class PointMaps implements AutoCloseable {
    private final int chunkSize;
    private final Map<DiskId, Disk> disks = new HashMap<>();
    private final MapReader reader;

    /** Reads the maps of a point, or of none. */
    public PointMaps(RepositoryAccess access, IndexView index, @Nullable Manifest point) {
        this.chunkSize = access.options().chunkSize();
        this.reader = new MapReader(access, index);
        if (point != null) {
            point.disks().forEach(disk -> disks.put(disk.id(), new Disk(disk)));
        }
    }

    /** A disk of the point, or {@code null} where it does not have it. */
    public @Nullable Disk disk(DiskId id) {
        return disks.get(id);
    }

    @Override
    public synchronized void close() {
        reader.close();
    }

    /** The map of one disk. */
    public final class Disk {
        private final Manifest.Disk disk;

        private Disk(Manifest.Disk disk) {
            this.disk = disk;
        }

        /** What the manifest says of it. */
        public Manifest.Disk manifest() {
            return disk;
        }

        /**
         * A page, which the caller does not change, or {@code null} if it is empty.
         *
         * @throws io.genievm.api.CorruptDataException when it is damaged
         */
        public @Nullable MapPage page(int level, long number) {
            synchronized (PointMaps.this) {
                return reader.page(disk.root(), disk.chunks(chunkSize), level, number);
            }
        }

        /** Visits what is not empty of the map. */
        public void visit(MapReader.Visitor visitor) {
            synchronized (PointMaps.this) {
                reader.visit(disk.root(), disk.chunks(chunkSize), visitor);
            }
        }
    }
}
