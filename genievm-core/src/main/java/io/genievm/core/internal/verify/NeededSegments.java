package io.genievm.core.internal.verify;

import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.PackFooters;
import io.genievm.core.internal.index.PackList;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.work.RecordSorter;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Gathers which segments restores of all points would read, and tells from it how much of the packs nobody needs. In bounded
 * memory, whatever the number of chunks: places are sorted in work files. For one thread, but for what it does itself.
 */
final class NeededSegments implements AutoCloseable {
    private static final int RECENT_BITS = 14;
    private static final long MIXER = 0x9E3779B97F4A7C15L;

    private final RepositoryAccess access;
    private final RecordSorter places;
    // The chunks of a segment come one after the other, or nearly so: most repeats need not be sorted.
    private final long[] recent = new long[1 << RECENT_BITS];

    NeededSegments(RepositoryAccess access) {
        this.access = access;
        this.places = new RecordSorter(access.workFiles(), access.memoryBudget() / 8);
    }

    /** Notes that the segment of a location is needed; repeats do not count. */
    void add(Location location) {
        // Never 0, as a pack begins with its header.
        long place = (long) location.pack() << 32 | location.offset();
        int slot = (int) (place * MIXER >>> 64 - RECENT_BITS);
        if (recent[slot] != place) {
            recent[slot] = place;
            places.add(place, location.length(), 0, 0, 0);
        }
    }

    /**
     * What nobody needs.
     *
     * @param bytes of packs that hold nothing needed, and of segments in other packs
     * @param orphanPacks how many packs of chosen sessions hold nothing needed
     * @param orphanBytes that part of the bytes that belongs to chosen sessions
     */
    record Unneeded(long bytes, int orphanPacks, long orphanBytes) {}

    /** Tells what nobody needs, and what of it some sessions have stored; ends the adding. */
    Unneeded unneeded(PackList packs, Set<SessionId> sessions, TaskControl control) {
        Packs needed = new Packs(packs, places.sorted(), sessions, control);
        PackFooters footers = new PackFooters(access.store());
        LongAdder bytes = new LongAdder();
        LongAdder orphans = new LongAdder();
        // One small read each, which takes its time when the store is far away.
        access.segmentWorkers(Math.max(access.parallelism(), 4)).run(stop -> {
            for (Part part = needed.nextToRead(); part != null && !stop.requested(); part = needed.nextToRead()) {
                long unneeded = Math.max(0, segmentBytes(footers, packs, part) - part.segmentBytes);
                bytes.add(unneeded);
                if (needed.isOrphan(part.pack)) {
                    orphans.add(unneeded);
                }
            }
        });
        return needed.unneeded(bytes.sum(), orphans.sum());
    }

    @Override
    public void close() {
        places.close();
    }

    /** Bytes of all segments of a pack; no more than the needed ones where it does not tell. */
    private static long segmentBytes(PackFooters footers, PackList packs, Part part) {
        PackName name = packs.name(part.pack);
        long length = packs.length(part.pack);
        try {
            return footers.segmentBytes(name, length);
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
        }
        try {
            return footers.read(name, length).stream()
                    .mapToLong(PackFormat.SegmentEntry::length)
                    .sum();
        } catch (GenieVmException e) {
            if (!Corruption.isObjectProblem(e)) {
                throw e;
            }
            return 0;
        }
    }

    /** A pack of which something is needed. */
    private record Part(int pack, int segments, long segmentBytes) {}

    /** Goes through all packs and the needed places at once. Safe for use by several threads. */
    private static final class Packs {
        private final PackList packs;
        private final RecordSorter.Cursor cursor;
        private final Set<SessionId> sessions;
        private final TaskControl control;
        private int orphanPacks;
        private long orphanBytes;
        private boolean more;
        private int next;
        private long unneeded;

        Packs(PackList packs, RecordSorter.Cursor cursor, Set<SessionId> sessions, TaskControl control) {
            this.packs = packs;
            this.cursor = cursor;
            this.sessions = sessions;
            this.control = control;
            this.more = cursor.next();
        }

        /** What whole packs come to, and more. */
        synchronized Unneeded unneeded(long moreBytes, long moreOrphans) {
            return new Unneeded(unneeded + moreBytes, orphanPacks, orphanBytes + moreOrphans);
        }

        boolean isOrphan(int pack) {
            return sessions.contains(packs.name(pack).session());
        }

        /** The next pack that has to be asked how many bytes its segments have; {@code null} when there is none. */
        synchronized @Nullable Part nextToRead() {
            while (next < packs.size()) {
                control.checkpoint();
                Part part = nextPart();
                if (part.segments == 0) {
                    unneeded += packs.length(part.pack);
                    if (isOrphan(part.pack)) {
                        orphanPacks++;
                        orphanBytes += packs.length(part.pack);
                    }
                } else if (!isAllNeeded(part)) {
                    return part;
                }
            }
            return null;
        }

        private Part nextPart() {
            int pack = next++;
            int segments = 0;
            long bytes = 0;
            long last = 0;
            while (more && cursor.get(0) >>> 32 == pack) {
                if (cursor.get(0) != last) {
                    last = cursor.get(0);
                    segments++;
                    bytes += cursor.get(1);
                }
                more = cursor.next();
            }
            return new Part(pack, segments, bytes);
        }

        /**
         * Whether the needed segments are all there are, without asking the pack: the length of a footer follows from the
         * numbers of segments and of entries, and a table tells all entries of its packs. Any other segment would make
         * the pack longer than this. So packs are asked only where something of them, but not all, is unneeded: in most
         * repositories few, or none, while a read for each would take longer than the rest of a check of the structure.
         */
        private boolean isAllNeeded(Part part) {
            long entries = packs.entries(part.pack);
            return entries >= 0
                    && packs.length(part.pack) == PackFormat.packLength(part.segments, entries, part.segmentBytes);
        }
    }
}
