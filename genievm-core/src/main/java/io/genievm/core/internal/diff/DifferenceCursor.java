package io.genievm.core.internal.diff;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Walks the maps of a disk in two points side by side, and only down to where they differ. Holds two pages for each level,
 * whatever the size of the disk. For one thread at a time.
 */
final class DifferenceCursor implements ExtentCursor {
    private static final long NONE = -1;

    private final MapComparison comparison;
    private final int chunkSize;
    private final long capacity;
    private final Side before;
    private final Side after;
    private final Deque<Pair> path = new ArrayDeque<>();
    private boolean begun;
    private boolean closed;
    private long ahead = NONE;
    private @Nullable RuntimeException failure;
    private long offset;
    private long length;

    /** Compares a disk with itself in another point; {@code null} for a point that does not have it. */
    DifferenceCursor(
            MapComparison comparison, Manifest.@Nullable Disk before, Manifest.@Nullable Disk after, int chunkSize) {
        this.comparison = comparison;
        this.chunkSize = chunkSize;
        this.before = new Side(before, chunkSize);
        this.after = new Side(after, chunkSize);
        this.capacity = Math.max(before == null ? 0 : before.capacity(), after == null ? 0 : after.capacity());
    }

    @Override
    public boolean next() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the cursor is closed");
        }
        comparison.requireOpen();
        length = 0;
        long first = ahead != NONE ? ahead : nextChunk();
        ahead = NONE;
        if (first == NONE) {
            return false;
        }
        long end = first + 1;
        try {
            ahead = nextChunk();
            while (ahead == end) {
                end++;
                ahead = nextChunk();
            }
        } catch (GenieVmException e) {
            // What is known comes first; the failure is kept for the next call.
            if (e.code().equals(ErrorCode.CLOSED)) {
                throw e;
            }
        }
        offset = first * chunkSize;
        length = Math.min(end * chunkSize, capacity) - offset;
        return true;
    }

    @Override
    public long offset() {
        requireExtent();
        return offset;
    }

    @Override
    public long length() {
        requireExtent();
        return length;
    }

    @Override
    public void close() {
        closed = true;
        length = 0;
        path.clear();
    }

    private void requireExtent() {
        if (length == 0) {
            throw new IllegalStateException("the cursor stands on no extent");
        }
    }

    /** The number of the next chunk that differs. Once it has failed it fails for ever: the place in the maps is lost. */
    private long nextChunk() {
        if (failure != null) {
            throw failure;
        }
        try {
            if (!begun) {
                begun = true;
                int height = Math.max(before.height, after.height);
                before.enter(height - 1);
                after.enter(height - 1);
                differs(height, 0);
            }
            while (!path.isEmpty()) {
                Pair pair = path.element();
                if (pair.entry == MapPage.FAN_OUT) {
                    path.remove();
                    continue;
                }
                int entry = pair.entry++;
                before.look(pair.before, pair.level, entry);
                after.look(pair.after, pair.level, entry);
                long number = pair.number * MapPage.FAN_OUT + entry;
                if (differs(pair.level, number) && pair.level == 0) {
                    return number;
                }
            }
            return NONE;
        } catch (RuntimeException e) {
            failure = e;
            throw e;
        }
    }

    /**
     * Compares what both sides look at, and goes down into it if that is pages that differ.
     *
     * @param level the level of the page above; chunks are below level 0
     * @param number of the page or chunk
     */
    private boolean differs(int level, long number) {
        if (before.isEmpty() && after.isEmpty()
                || !before.above
                        && !after.above
                        && !before.isEmpty()
                        && !after.isEmpty()
                        && IdHasher.equal(before.ids, before.idOffset, after.ids, after.idOffset)) {
            return false;
        }
        if (level > 0) {
            before.requireInside(level - 1, number);
            after.requireInside(level - 1, number);
            path.push(new Pair(level - 1, number, before.read(level - 1), after.read(level - 1)));
        } else {
            before.requireInside(-1, number);
            after.requireInside(-1, number);
        }
        return true;
    }

    /** A page of either map at the same place, and how far it has been compared. */
    private static final class Pair {
        private final int level;
        private final long number;
        private final Node before;
        private final Node after;
        private int entry;

        Pair(int level, long number, Node before, Node after) {
            this.level = level;
            this.number = number;
            this.before = before;
            this.after = after;
        }
    }

    /**
     * A page of a map, and the id that it was found by, which tells where it was read. A map that is less high than the other has
     * pages above its root that are not stored: they hold nothing but the page below, at entry 0.
     *
     * @param page the page; {@code null} for an empty one, and for one above the root
     * @param above whether it is above the root
     * @param ids where the page's id is
     * @param idOffset where in {@code ids}
     */
    private record Node(@Nullable MapPage page, boolean above, byte[] ids, int idOffset) {}

    /** The map in one of the points, and what is looked at of it: an id, a page above the root, or nothing. */
    private final class Side {
        private static final byte[] NOTHING = new byte[0];

        private final byte[] root;
        private final int height;
        private final long chunks;
        private Node parent = new Node(null, false, NOTHING, 0);
        private byte[] ids = NOTHING;
        private int idOffset;
        private boolean above;

        Side(Manifest.@Nullable Disk disk, int chunkSize) {
            this.root = disk == null || disk.root() == null ? NOTHING : disk.root();
            this.chunks = disk == null ? 0 : disk.chunks(chunkSize);
            this.height = MapPage.height(chunks);
        }

        boolean isEmpty() {
            return !above && ids.length == 0;
        }

        /** Looks at the page of number 0 at a level, from the root's upwards. */
        void enter(int level) {
            above = root.length > 0 && level > height - 1;
            ids = above ? NOTHING : root;
            idOffset = 0;
        }

        /** Looks at an entry of a page. */
        void look(Node node, int level, int entry) {
            parent = node;
            MapPage page = node.page;
            if (node.above && entry == 0) {
                enter(level - 1);
            } else if (page == null || page.isNull(entry)) {
                above = false;
                ids = NOTHING;
            } else {
                above = false;
                ids = page.ids();
                idOffset = MapPage.offset(entry);
            }
        }

        Node read(int level) {
            return new Node(
                    above || ids.length == 0 ? null : comparison.page(ids, idOffset, level), above, ids, idOffset);
        }

        /** Refuses a page that goes on behind the end of the disk. */
        void requireInside(int level, long number) {
            long first = number;
            for (int i = 0; i <= level; i++) {
                first *= MapPage.FAN_OUT;
            }
            if (ids.length > 0 && first >= chunks) {
                throw Corruption.in(
                        parent.ids.length == 0 ? "index/" : comparison.keyOf(parent.ids, parent.idOffset),
                        "a map page has entries behind the end of the disk");
            }
        }
    }
}
