package io.genievm.core.internal.copy;

import io.genievm.api.DiskId;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.ParentMaps;
import java.util.BitSet;

/** Counts the bytes of a disk's chunks that differ from the parent's, page by page. For one thread at a time. */
final class DiffCounter implements MapWriter.LeafListener {
    private final ParentMaps parents;
    private final DiskId disk;
    private final long chunks;
    private final long capacity;
    private final int chunkSize;
    private final BitSet seen = new BitSet();
    private long changed;

    DiffCounter(ParentMaps parents, DiskId disk, long chunks, long capacity, int chunkSize) {
        this.parents = parents;
        this.disk = disk;
        this.chunks = chunks;
        this.capacity = capacity;
        this.chunkSize = chunkSize;
    }

    @Override
    public void leaf(long number, MapPage page) {
        seen.set((int) number);
        changed += parents.countDifferent(disk, number, page);
    }

    long finish() {
        int leaves = (int) ((chunks + MapPage.FAN_OUT - 1) / MapPage.FAN_OUT);
        for (int leaf = seen.nextClearBit(0); leaf < leaves; leaf = seen.nextClearBit(leaf + 1)) {
            changed += parents.countDifferent(disk, leaf, null);
        }
        return Math.min(changed * chunkSize, capacity);
    }
}
