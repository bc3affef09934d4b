package io.genievm.core.internal.restore;

import io.genievm.api.CorruptDataException;
import io.genievm.api.GenieVmException;
import io.genievm.core.Damage;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.DamageCollector;
import io.genievm.core.internal.repository.MapReader;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.SegmentSource;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import io.genievm.core.internal.work.RecordSorter;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Delivers the chunks of the disks of one point that are wanted and not zero, their hashes checked, in the order in which the chunks lie
 * in the repository: each segment is fetched once, by several threads at a time. What is damaged is looked for in other
 * copies, and in the index read anew, before it is told as damage. For one thread, which owns it.
 */
public final class PointStream implements AutoCloseable {
    private static final int BATCH = 4096;

    private final RepositoryAccess access;
    private final TaskControl control;
    private final Manifest manifest;
    private final List<Manifest.Disk> disks;
    private final Supplier<? extends Receiver> receivers;
    private final int chunkSize;
    private final DamageCollector damage;
    private final LongAdder fetched = new LongAdder();
    private final Object failedLock = new Object();
    private RecordSorter failed;
    private List<ChunkBitmap> wanted = List.of();
    private IndexView index;
    private boolean indexReread;

    /** Takes the chunks for one thread. */
    @FunctionalInterface
    public interface Receiver {
        /** Takes a chunk; {@code disk} is its number in the list of disks, and the last chunk is padded with zeroes. */
        void chunk(int disk, long chunk, byte[] content, int offset);

        /** Is told when a while may pass until the next chunk: what was kept back has to go now. */
        default void flush() {}
    }

    /**
     * Prepares to deliver some disks of a point.
     *
     * @param receivers makes one for each thread that delivers
     */
    public PointStream(
            RepositoryAccess access,
            TaskControl control,
            Manifest manifest,
            List<Manifest.Disk> disks,
            Supplier<? extends Receiver> receivers) {
        this.access = access;
        this.control = control;
        this.manifest = manifest;
        this.disks = disks;
        this.receivers = receivers;
        this.chunkSize = access.options().chunkSize();
        this.damage = new DamageCollector(chunkSize);
        this.failed = new RecordSorter(access.workFiles(), access.memoryBudget() / 8);
        this.index = loadIndex();
    }

    /** The index as it was read last. */
    public IndexView index() {
        return index;
    }

    /** Bytes of segments that were fetched. */
    public long fetchedBytes() {
        return fetched.sum();
    }

    /** From now on delivers only some chunks of each disk, in the order of the disks. */
    void deliverOnly(List<ChunkBitmap> chunks) {
        wanted = List.copyOf(chunks);
    }

    /** Delivers everything that is wanted and tells what could not be. */
    public List<Damage> run() {
        while (true) {
            try (RecordSorter schedule = new RecordSorter(access.workFiles(), access.memoryBudget() / 4)) {
                if (plan(schedule) || !rereadIndex()) {
                    deliver(schedule.sorted());
                    break;
                }
            }
        }
        if (failed.size() > 0) {
            retry();
        }
        return damage.damage();
    }

    @Override
    public void close() {
        failed.close();
        index.close();
    }

    private IndexView loadIndex() {
        return IndexView.load(
                access.store(),
                access.id(),
                access.workFiles(),
                List.of(),
                IndexView.Adoption.ALL,
                control::checkpoint);
    }

    /** Reads the index anew, once: a collector may have moved what is missing. */
    boolean rereadIndex() {
        if (indexReread) {
            return false;
        }
        indexReread = true;
        IndexView old = index;
        index = loadIndex();
        old.close();
        return true;
    }

    /** Sorts the chunks by where they are; false when pages of a map are damaged or missing. */
    private boolean plan(RecordSorter schedule) {
        failed.close();
        failed = new RecordSorter(access.workFiles(), access.memoryBudget() / 8);
        AtomicBoolean whole = new AtomicBoolean(true);
        Scratch scratch = new Scratch();
        Location location = new Location();
        try (MapReader maps = new MapReader(access, index)) {
            for (int disk = 0; disk < disks.size(); disk++) {
                int number = disk;
                Manifest.Disk description = disks.get(disk);
                maps.visit(description.root(), description.chunks(chunkSize), new MapReader.Visitor() {
                    @Override
                    public boolean skip(int level, long page, byte[] ids, int idOffset) {
                        long chunks = MapPage.chunks(level);
                        return !isWanted(number, page * chunks, (page + 1) * chunks);
                    }

                    @Override
                    public void chunk(long chunk, byte[] ids, int idOffset) {
                        if (!isWanted(number, chunk, chunk + 1)) {
                            return;
                        }
                        if ((schedule.size() & 0xfff) == 0) {
                            control.checkpoint();
                        }
                        control.meter().plan(chunkSize);
                        if (index.find(ids, idOffset, scratch, location)) {
                            ByteBuffer id = ByteBuffer.wrap(ids, idOffset, IdHasher.ID_BYTES);
                            schedule.add(
                                    (long) location.pack() << 32 | location.offset(),
                                    (long) location.position() << 48 | chunk,
                                    (long) number << 32 | location.length(),
                                    id.getLong(),
                                    id.getLong());
                        } else {
                            fail(number, chunk);
                        }
                    }

                    @Override
                    public void damaged(long first, long count, CorruptDataException cause) {
                        whole.set(false);
                        if (indexReread) {
                            addTo(damage, manifest, description, first, count, cause);
                        }
                    }
                });
            }
        }
        return whole.get();
    }

    /** Whether some chunk of a range is to be delivered. */
    private boolean isWanted(int disk, long from, long to) {
        if (wanted.isEmpty()) {
            return true;
        }
        long next = wanted.get(disk).nextSet(from);
        return next >= 0 && next < to;
    }

    private void fail(int disk, long chunk) {
        synchronized (failedLock) {
            failed.add(disk, chunk, 0, 0, 0);
        }
    }

    private void deliver(RecordSorter.Cursor cursor) {
        Schedule schedule = new Schedule(cursor);
        SegmentSource source = new SegmentSource(access, index.packs());
        Workers workers = access.segmentWorkers(Math.max(access.parallelism(), 4));
        workers.run(stop -> {
            try (Segment segment = source.newSegment()) {
                Batch batch = new Batch();
                Receiver receiver = receivers.get();
                while (!stop.requested()
                        && schedule.take(batch, () -> {
                            control.checkpoint();
                            deliver(batch, source, segment, receiver);
                        })) {
                    control.checkpoint();
                    deliver(batch, source, segment, receiver);
                }
            }
        });
        control.checkpoint();
    }

    private void deliver(Batch batch, SegmentSource source, Segment segment, Receiver receiver) {
        if (!batch.opened) {
            batch.opened = true;
            try {
                source.fetch((int) (batch.place >>> 32), (int) batch.place, (int) batch.records[2], segment);
                batch.usable = true;
                fetched.add(batch.records[2]);
            } catch (GenieVmException e) {
                if (!Corruption.isObjectProblem(e)) {
                    throw e;
                }
                batch.usable = false;
            }
            batch.checked = -1;
        }
        for (int i = 0; i < batch.count; i++) {
            int at = i * Batch.WIDTH;
            int position = (int) (batch.records[at + 1] >>> 48);
            long chunk = batch.records[at + 1] & 0xffff_ffff_ffffL;
            int disk = (int) (batch.records[at + 2] >>> 32);
            if (batch.usable && isGood(batch, segment, position, at)) {
                receiver.chunk(disk, chunk, segment.content(), segment.contentOffset(position));
            } else {
                fail(disk, chunk);
            }
            control.meter().read(chunkSize);
        }
        receiver.flush();
    }

    /** Whether an entry is what the map asks for; one that was checked for the last record is not hashed again. */
    private static boolean isGood(Batch batch, Segment segment, int position, int at) {
        if (position >= segment.count()) {
            return false;
        }
        ByteBuffer id = ByteBuffer.wrap(segment.ids(), segment.idOffset(position), IdHasher.ID_BYTES);
        if (id.getLong() != batch.records[at + 3] || id.getLong() != batch.records[at + 4]) {
            return false;
        }
        if (batch.checked != position) {
            if (!segment.checkContent(position)) {
                return false;
            }
            batch.checked = position;
        }
        return true;
    }

    /** Looks for other copies of what failed, and tells what has none. */
    private void retry() {
        RecordSorter.Cursor cursor = failed.sorted();
        rereadIndex();
        try (Rescue rescue = new Rescue()) {
            while (cursor.next()) {
                control.checkpoint();
                rescue.chunk((int) cursor.get(0), cursor.get(1));
            }
        }
    }

    /** Gets single chunks from whatever copy is good. */
    private final class Rescue implements AutoCloseable {
        private final MapReader maps = new MapReader(access, index);
        private final SegmentSource source = new SegmentSource(access, index.packs());
        private final Segment segment = source.newSegment();
        private final Receiver receiver = receivers.get();
        private final Scratch scratch = new Scratch();
        private final Location location = new Location();
        private final Set<Long> bad = new HashSet<>();
        private long open = -1;

        @Override
        public void close() {
            maps.close();
            segment.close();
        }

        /** Delivers a chunk or tells its damage. */
        void chunk(int disk, long chunk) {
            Manifest.Disk description = disks.get(disk);
            try {
                MapPage page = maps.page(description.root(), description.chunks(chunkSize), 0, chunk / MapPage.FAN_OUT);
                if (page != null) {
                    deliver(disk, chunk, page.ids(), MapPage.offset((int) (chunk % MapPage.FAN_OUT)));
                }
            } catch (CorruptDataException e) {
                addTo(damage, manifest, description, chunk, 1, e);
            }
        }

        private void deliver(int disk, long chunk, byte[] ids, int idOffset) {
            String object = null;
            String message = "";
            for (int copy = 0; index.findCopy(ids, idOffset, copy, scratch, location); copy++) {
                long place = (long) location.pack() << 32 | location.offset();
                object = source.key(location.pack());
                message = object + " is damaged: the segment at " + location.offset() + " can not be used";
                if (bad.contains(place)) {
                    continue;
                }
                try {
                    if (open != place) {
                        open = -1;
                        source.fetch(location, segment);
                        open = place;
                    }
                    if (segment.checkEntry(location.position(), ids, idOffset)) {
                        receiver.chunk(disk, chunk, segment.content(), segment.contentOffset(location.position()));
                        receiver.flush();
                        return;
                    }
                    message = object + " holds something else at " + location.offset() + " than the index says";
                } catch (GenieVmException e) {
                    if (!Corruption.isObjectProblem(e)) {
                        throw e;
                    }
                    message = e.getMessage();
                    bad.add(place);
                }
            }
            if (object == null) {
                boolean known = index.findMissing(ids, idOffset, scratch, location);
                object = known ? source.key(location.pack()) : "index/";
                message = known ? object + " is missing" : "no index table and no pack holds the chunk";
            }
            Manifest.Disk description = disks.get(disk);
            damage.add(object, message, manifest.point(), description.id(), chunk, 1, description.capacity());
        }
    }

    /** Adds a range of chunks that can not be known to the damage of a point. */
    static void addTo(
            DamageCollector damage,
            Manifest manifest,
            Manifest.Disk disk,
            long first,
            long count,
            CorruptDataException cause) {
        damage.add(objectOf(cause), messageOf(cause), manifest.point(), disk.id(), first, count, disk.capacity());
    }

    private static String objectOf(CorruptDataException cause) {
        @Nullable String name = cause.resource().name();
        return name == null ? "index/" : name;
    }

    private static String messageOf(CorruptDataException cause) {
        @Nullable String message = cause.getMessage();
        return message == null ? "damaged" : message;
    }

    /** Records of one segment. */
    private static final class Batch {
        private static final int WIDTH = 5;

        private final long[] records = new long[BATCH * WIDTH];
        private long place;
        private int count;
        private boolean opened;
        private boolean usable;
        private int checked;
    }

    /** Hands out the records of one segment after the other. */
    private static final class Schedule {
        private final RecordSorter.Cursor cursor;
        private boolean standing;

        Schedule(RecordSorter.Cursor cursor) {
            this.cursor = cursor;
            this.standing = cursor.next();
        }

        /**
         * Takes the records of the next segment. One that is used more often than a batch can tell is dealt with here,
         * by {@code drain}, so that no other thread fetches it again.
         */
        synchronized boolean take(Batch batch, Runnable drain) {
            if (!standing) {
                return false;
            }
            batch.place = cursor.get(0);
            batch.opened = false;
            fill(batch);
            while (standing && cursor.get(0) == batch.place) {
                drain.run();
                fill(batch);
            }
            return true;
        }

        private void fill(Batch batch) {
            batch.count = 0;
            while (standing && batch.count < BATCH && cursor.get(0) == batch.place) {
                for (int i = 0; i < Batch.WIDTH; i++) {
                    batch.records[batch.count * Batch.WIDTH + i] = cursor.get(i);
                }
                batch.count++;
                standing = cursor.next();
            }
        }
    }
}
