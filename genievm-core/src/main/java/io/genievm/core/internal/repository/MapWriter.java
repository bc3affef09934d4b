package io.genievm.core.internal.repository;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkBitmap;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Builds the chunk map of one disk while its chunks come in any order, from nothing or from the parent's. Pages of the
 * lowest level are stored as soon as all their planned chunks are known, so that only few of them are in memory; the levels
 * above are kept until the end (2 MiB for a full disk of 4 TiB). Safe for use by several threads.
 */
public final class MapWriter {
    private final long chunks;
    private final ChunkBitmap planned;
    private final @Nullable Base base;
    private final PageSink sink;
    private final LeafListener leaves;
    private final IdHasher hasher = new IdHasher();
    private final byte[] encoded = new byte[MapPage.MAX_BYTES];
    private final byte[] pageId = new byte[IdHasher.ID_BYTES];
    private final Map<Long, OpenLeaf> open = new HashMap<>();
    private final BitSet done = new BitSet();
    private final List<TreeMap<Long, MapPage>> upper = new ArrayList<>();
    private long known;
    // Pages of the lowest level come and go with every 1024 chunks.
    private @Nullable MapPage spare;

    /**
     * What a map goes on from.
     *
     * @param parent the parent's map of a disk with the same number of chunks; those pages of it that are needed are known
     *     to be readable
     * @param replaced the chunks that are not taken over: planned ones, and those that are zero now
     * @param everyPage whether every page is stored anew unless it is found, instead of being relied on with all below it
     */
    public record Base(PointMaps.Disk parent, ChunkBitmap replaced, boolean everyPage) {}

    /** Stores pages. */
    @FunctionalInterface
    public interface PageSink {
        /** Stores a page unless it is stored already; copies what it needs. */
        void store(byte[] pageId, byte[] bytes, int length);
    }

    /** Sees every page of the lowest level that may differ from the parent's, once and before it is stored. */
    @FunctionalInterface
    public interface LeafListener {
        /** Sees the page of a number, possibly an empty one; it may not keep it. */
        void leaf(long number, MapPage page);
    }

    /**
     * Makes a writer.
     *
     * @param planned the chunks that will be set
     * @param base what all others are taken from, but for those replaced; {@code null} where they are zero
     * @param sink where pages go
     * @param leaves sees pages
     */
    public MapWriter(ChunkBitmap planned, @Nullable Base base, PageSink sink, LeafListener leaves) {
        this.chunks = planned.chunks();
        this.planned = planned;
        this.base = base;
        this.sink = sink;
        this.leaves = leaves;
    }

    /** Sets the ids of a run of planned chunks that lie in one page; each chunk is set exactly once. */
    public synchronized void set(long first, int count, byte[] ids) {
        long number = first / MapPage.FAN_OUT;
        OpenLeaf leaf = open.get(number);
        if (leaf == null) {
            long start = number * MapPage.FAN_OUT;
            leaf = new OpenLeaf(leaf(number), planned.count(start, Math.min(start + MapPage.FAN_OUT, chunks)));
            open.put(number, leaf);
        }
        int entry = (int) (first % MapPage.FAN_OUT);
        System.arraycopy(ids, 0, leaf.page.ids(), MapPage.offset(entry), count * IdHasher.ID_BYTES);
        leaf.missing -= count;
        known += count;
        if (leaf.missing == 0) {
            open.remove(number);
            complete(number, leaf.page);
            spare = leaf.page;
        }
    }

    /** Ends the map and gives the id of its root, or {@code null} when all chunks are zero. */
    public synchronized byte @Nullable [] finish() {
        long expected = planned.count();
        if (known != expected || !open.isEmpty()) {
            // A chunk left out would be restored as zeroes.
            throw new IllegalStateException(known + " of " + expected + " planned chunks were read");
        }
        int height = MapPage.height(chunks);
        if (height == 0) {
            return null;
        }
        completeUnplanned();
        for (int level = 1; level < height; level++) {
            pagesAt(level).forEach(this::store);
        }
        MapPage root = pagesAt(height).get(0L);
        if (root == null) {
            return base == null ? null : base.parent.manifest().root();
        }
        byte[] id = Arrays.copyOf(root.ids(), IdHasher.ID_BYTES);
        return IdHasher.isNull(id, 0) ? null : id;
    }

    /** Ends pages without a planned chunk: empty ones, and those of the parent of which chunks are zero now. */
    private void completeUnplanned() {
        int count = (int) ((chunks + MapPage.FAN_OUT - 1) / MapPage.FAN_OUT);
        for (int number = done.nextClearBit(0); number < count; number = done.nextClearBit(number + 1)) {
            if (base == null) {
                leaves.leaf(number, MapPage.EMPTY);
            } else if (base.everyPage || countReplaced(base, 0, number) > 0) {
                MapPage page = leaf(number);
                complete(number, page);
                spare = page;
            }
        }
    }

    private void complete(long number, MapPage page) {
        done.set((int) number);
        // First: it may find that the parent's page is damaged, and this may be the very same.
        leaves.leaf(number, page);
        store(number, page);
    }

    /** A page of the lowest level with all that is known of it at the beginning. */
    private MapPage leaf(long number) {
        MapPage page = page(0, number);
        if (base != null) {
            long start = number * MapPage.FAN_OUT;
            long end = Math.min(start + MapPage.FAN_OUT, chunks);
            for (long chunk = base.replaced.nextSet(start); chunk >= 0 && chunk < end; ) {
                long behind = base.replaced.nextClear(chunk, end);
                Arrays.fill(
                        page.ids(),
                        MapPage.offset((int) (chunk - start)),
                        MapPage.offset((int) (behind - start)),
                        (byte) 0);
                chunk = base.replaced.nextSet(behind);
            }
        }
        return page;
    }

    /** A copy of the parent's page, or an empty one where nothing of it is taken over. */
    private MapPage page(int level, long number) {
        MapPage page = empty(level);
        if (base != null
                && level < MapPage.height(chunks)
                && countReplaced(base, level, number) < span(level, number)) {
            MapPage old = base.parent.page(level, number);
            if (old != null) {
                System.arraycopy(old.ids(), 0, page.ids(), 0, page.ids().length);
            }
        }
        return page;
    }

    private MapPage empty(int level) {
        MapPage page = spare;
        if (level > 0 || page == null) {
            return new MapPage(level);
        }
        spare = null;
        Arrays.fill(page.ids(), (byte) 0);
        return page;
    }

    private long countReplaced(Base of, int level, long number) {
        long first = number * MapPage.chunks(level);
        return of.replaced.count(first, first + span(level, number));
    }

    /** How many chunks of the disk lie below a page. */
    private long span(int level, long number) {
        return Math.min(MapPage.chunks(level), chunks - number * MapPage.chunks(level));
    }

    /** Stores a page that is not empty, and notes its id one level up. */
    private void store(long number, MapPage page) {
        int length = page.encode(encoded);
        if (length > 0) {
            hasher.page(encoded, 0, length, pageId, 0);
            sink.store(pageId, encoded, length);
        } else {
            Arrays.fill(pageId, (byte) 0);
        }
        int level = page.level() + 1;
        long above = number / MapPage.FAN_OUT;
        MapPage parent = pagesAt(level).get(above);
        if (parent == null) {
            if (length == 0 && base == null) {
                return;
            }
            parent = page(level, above);
            pagesAt(level).put(above, parent);
        }
        System.arraycopy(pageId, 0, parent.ids(), MapPage.offset((int) (number % MapPage.FAN_OUT)), IdHasher.ID_BYTES);
    }

    /** The pages of a level above the lowest that were touched so far. */
    private NavigableMap<Long, MapPage> pagesAt(int level) {
        while (upper.size() < level) {
            upper.add(new TreeMap<>());
        }
        return upper.get(level - 1);
    }

    private static final class OpenLeaf {
        private final MapPage page;
        private long missing;

        OpenLeaf(MapPage page, long missing) {
            this.page = page;
            this.missing = missing;
        }
    }
}
