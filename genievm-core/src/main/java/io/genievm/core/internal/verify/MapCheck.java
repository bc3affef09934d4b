package io.genievm.core.internal.verify;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.core.Damage;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.repository.DamageCollector;
import io.genievm.core.internal.repository.MapReader;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.SegmentSource;
import io.genievm.core.internal.task.TaskControl;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Walks the chunk maps of points and looks whether every chunk is there. For one thread. */
final class MapCheck implements AutoCloseable {
    private final TaskControl control;
    private final int chunkSize;
    private final IndexView index;
    private final Findings findings;
    private final MapReader maps;
    private final SegmentSource source;
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();
    private long chunks;

    MapCheck(RepositoryAccess access, TaskControl control, IndexView index, Findings findings) {
        this.control = control;
        this.chunkSize = access.options().chunkSize();
        this.index = index;
        this.findings = findings;
        this.maps = new MapReader(access, index);
        this.source = new SegmentSource(access, index.packs());
    }

    /** Bytes of segments of pages that were read. */
    long checkedBytes() {
        return maps.fetchedBytes();
    }

    /**
     * Whether every chunk of every point is there; what a point shares with the one before is looked at once. Does not stop
     * at what is not, as all that is needed is noted.
     */
    boolean isWhole(List<Manifest> points, NeededSegments needed) {
        Map<DiskOfVm, Manifest.Disk> earlier = new HashMap<>();
        boolean whole = true;
        for (Manifest manifest : points) {
            for (Manifest.Disk disk : manifest.disks()) {
                DiskOfVm key = new DiskOfVm(manifest.vm(), disk.id());
                DamageCollector damage = new DamageCollector(chunkSize);
                visit(manifest, disk, earlier.put(key, disk), needed, damage);
                whole &= damage.isEmpty();
            }
        }
        return whole;
    }

    /** Tells all chunks of all points that are not there, or whose every copy is known to be damaged. */
    List<Damage> damage(List<Manifest> points) {
        DamageCollector damage = new DamageCollector(chunkSize);
        for (Manifest manifest : points) {
            for (Manifest.Disk disk : manifest.disks()) {
                visit(manifest, disk, null, null, damage);
            }
        }
        return damage.damage();
    }

    @Override
    public void close() {
        maps.close();
    }

    private record DiskOfVm(VmId vm, DiskId disk) {}

    private void visit(
            Manifest manifest,
            Manifest.Disk disk,
            Manifest.@Nullable Disk earlier,
            @Nullable NeededSegments needed,
            DamageCollector damage) {
        maps.visit(disk.root(), disk.chunks(chunkSize), new MapReader.Visitor() {
            @Override
            public boolean skip(int level, long page, byte[] ids, int idOffset) {
                if (earlier != null && isKnown(earlier, level, page, ids, idOffset)) {
                    return true;
                }
                if (needed != null && index.find(ids, idOffset, scratch, location)) {
                    needed.add(location);
                }
                return false;
            }

            @Override
            public void chunk(long number, byte[] ids, int idOffset) {
                if ((++chunks & 0xfff) == 0) {
                    control.checkpoint();
                }
                String object = damagedObject(ids, idOffset, needed);
                if (object != null) {
                    damage.add(
                            object,
                            findings.messageOf(object),
                            manifest.point(),
                            disk.id(),
                            number,
                            1,
                            disk.capacity());
                }
            }

            @Override
            public void damaged(long first, long count, CorruptDataException cause) {
                String object = cause.resource().name();
                damage.add(
                        object == null ? "index/" : object,
                        String.valueOf(cause.getMessage()),
                        manifest.point(),
                        disk.id(),
                        first,
                        count,
                        disk.capacity());
            }
        });
    }

    private boolean isKnown(Manifest.Disk earlier, int level, long page, byte[] ids, int idOffset) {
        try {
            return maps.hasPage(earlier.root(), earlier.chunks(chunkSize), level, page, ids, idOffset);
        } catch (CorruptDataException e) {
            // Told already; what is below of the other map is looked at then.
            return false;
        }
    }

    /** The object to blame when there is no good copy of a chunk; {@code null} when there is one. */
    private @Nullable String damagedObject(byte[] ids, int idOffset, @Nullable NeededSegments needed) {
        String object = null;
        for (int copy = 0; index.findCopy(ids, idOffset, copy, scratch, location); copy++) {
            if (needed != null && copy == 0) {
                needed.add(location);
            }
            if (findings.isGood(location.pack(), location.offset())) {
                return null;
            }
            object = source.key(location.pack());
        }
        if (object == null && index.findMissing(ids, idOffset, scratch, location)) {
            object = source.key(location.pack());
            findings.object(object, object + " is missing, or has another length than it was written with");
        }
        return object == null ? "index/" : object;
    }
}
