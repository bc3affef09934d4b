package io.genievm.core.internal.repository;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkBitmap;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Builds the chunk map of one disk while its chunks come in any order. Pages of the lowest level are stored as soon as
 * all their planned chunks are known, so that only few of them are in memory; the levels above are kept until the end (2
 * MiB for a full disk of 4 TiB). Safe for use by several threads.
 */
public final class MapWriter {
    private final long chunks;
    private final ChunkBitmap planned;
    private final PageSink sink;
    private final LeafListener leaves;
    private final IdHasher hasher = new IdHasher();
    private final byte[] encoded = new byte[MapPage.MAX_BYTES];
    private final byte[] pageId = new byte[IdHasher.ID_BYTES];
    private final Map<Long, OpenLeaf> open = new HashMap<>();
    private final List<TreeMap<Long, MapPage>> upper = new ArrayList<>();
    private long known;

    /** Stores pages. */
    @FunctionalInterface
    public interface PageSink {
        /** Stores a page unless it is stored already; copies what it needs. */
        void store(byte[] pageId, byte[] bytes, int length);
    }

    /** Sees every page of the lowest level that is not empty, once. */
    @FunctionalInterface
    public interface LeafListener {
        /** Sees the page of a number; it may not keep it. */
        void leaf(long number, MapPage page);
    }

    /** Makes a writer for a disk of which some chunks are planned to be read, the others being zero. */
    public MapWriter(ChunkBitmap planned, PageSink sink, LeafListener leaves) {
        this.chunks = planned.chunks();
        this.planned = planned;
        this.sink = sink;
        this.leaves = leaves;
    }

    /** Sets the ids of a run of planned chunks that lie in one page; each chunk is set exactly once. */
    public synchronized void set(long first, int count, byte[] ids) {
        long number = first / MapPage.FAN_OUT;
        OpenLeaf leaf = open.get(number);
        if (leaf == null) {
            long start = number * MapPage.FAN_OUT;
            leaf = new OpenLeaf(planned.count(start, Math.min(start + MapPage.FAN_OUT, chunks)));
            open.put(number, leaf);
        }
        int entry = (int) (first % MapPage.FAN_OUT);
        System.arraycopy(ids, 0, leaf.page.ids(), MapPage.offset(entry), count * IdHasher.ID_BYTES);
        leaf.missing -= count;
        known += count;
        if (leaf.missing == 0) {
            open.remove(number);
            if (store(number, leaf.page)) {
                leaves.leaf(number, leaf.page);
            }
        }
    }

    /** Ends the map and gives the id of its root, or {@code null} when all chunks are zero. */
    public synchronized byte @Nullable [] finish() {
        long expected = planned.count(0, chunks);
        if (known != expected || !open.isEmpty()) {
            // A chunk left out would be restored as zeroes.
            throw new IllegalStateException(known + " of " + expected + " planned chunks were read");
        }
        int height = MapPage.height(chunks);
        if (height == 0) {
            return null;
        }
        for (int level = 1; level < height; level++) {
            while (upper.size() < level) {
                upper.add(new TreeMap<>());
            }
            upper.get(level - 1).forEach(this::store);
        }
        MapPage root = upper.size() < height ? null : upper.get(height - 1).get(0L);
        if (root == null) {
            return null;
        }
        byte[] id = new byte[IdHasher.ID_BYTES];
        System.arraycopy(root.ids(), 0, id, 0, id.length);
        return id;
    }

    /** Stores a page and notes its id one level up; false for a page of nulls. */
    private boolean store(long number, MapPage page) {
        int length = page.encode(encoded);
        if (length == 0) {
            return false;
        }
        hasher.page(encoded, 0, length, pageId, 0);
        sink.store(pageId, encoded, length);
        int level = page.level() + 1;
        while (upper.size() < level) {
            upper.add(new TreeMap<>());
        }
        MapPage parent = upper.get(level - 1).computeIfAbsent(number / MapPage.FAN_OUT, any -> new MapPage(level));
        System.arraycopy(pageId, 0, parent.ids(), MapPage.offset((int) (number % MapPage.FAN_OUT)), IdHasher.ID_BYTES);
        return true;
    }

    private static final class OpenLeaf {
        private final MapPage page = new MapPage(0);
        private long missing;

        OpenLeaf(long missing) {
            this.missing = missing;
        }
    }
}
