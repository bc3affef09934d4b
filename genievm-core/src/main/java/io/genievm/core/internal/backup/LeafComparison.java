package io.genievm.core.internal.backup;

import io.genievm.api.CorruptDataException;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.PointMaps;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Compares a disk's new map with the parent's, page by page: counts the bytes that differ, and finds what differs although
 * it was called unchanged. For one thread at a time.
 */
final class LeafComparison implements MapWriter.LeafListener {
    private final PointMaps.@Nullable Disk parent;
    private final @Nullable ChunkBitmap calledChanged;
    private final ChunkBitmap lies;
    private final long chunks;
    private final long capacity;
    private final int chunkSize;
    private final Runnable damage;
    private long changed;

    /**
     * Compares with the parent's map, or with nothing.
     *
     * @param parent the parent's map
     * @param calledChanged the chunks that may differ, or {@code null} where nothing was said about them
     * @param capacity of the disk in bytes
     * @param chunkSize in bytes
     * @param damage is told, before the page that was to be compared is stored, that the parent's can not be read
     */
    LeafComparison(
            PointMaps.@Nullable Disk parent,
            @Nullable ChunkBitmap calledChanged,
            long capacity,
            int chunkSize,
            Runnable damage) {
        this.parent = parent;
        this.calledChanged = calledChanged;
        this.capacity = capacity;
        this.chunkSize = chunkSize;
        this.damage = damage;
        this.chunks = (capacity + chunkSize - 1) / chunkSize;
        this.lies = new ChunkBitmap(calledChanged == null ? 0 : chunks);
    }

    @Override
    public void leaf(long number, MapPage page) {
        MapPage old = null;
        boolean known = true;
        try {
            old = parent == null ? null : parent.page(0, number);
        } catch (CorruptDataException e) {
            // A damaged parent is verify's news; here it only means that this page can not be compared.
            known = false;
            damage.run();
        }
        byte[] before = old == null ? MapPage.EMPTY.ids() : old.ids();
        // Most pages of most disks; of a big empty one all.
        if (Arrays.equals(page.ids(), before)) {
            return;
        }
        long first = number * MapPage.FAN_OUT;
        for (int entry = 0; entry < MapPage.FAN_OUT && first + entry < chunks; entry++) {
            int at = MapPage.offset(entry);
            if (!IdHasher.equal(page.ids(), at, before, at)) {
                long chunk = first + entry;
                changed += Math.min(chunkSize, capacity - chunk * chunkSize);
                if (known && calledChanged != null && !calledChanged.get(chunk)) {
                    lies.set(chunk, chunk + 1);
                }
            }
        }
    }

    /** Bytes of chunks that differ. */
    long changedBytes() {
        return changed;
    }

    /** The chunks that differ although they were called unchanged. */
    ChunkBitmap lies() {
        return lies;
    }
}
