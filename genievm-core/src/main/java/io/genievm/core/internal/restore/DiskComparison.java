package io.genievm.core.internal.restore;

import io.genievm.api.CorruptDataException;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.Damage;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.plan.BoundedReader;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.plan.ChunkMatcher;
import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.repository.DamageCollector;
import io.genievm.core.internal.repository.MapReader;
import io.genievm.core.internal.repository.PointMaps;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.spi.IoBuffers;
import io.genievm.core.internal.task.ProgressMeter;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/**
 * Reads existing disks as a whole and compares them with the maps of a point, of whose data nothing is fetched for it.
 * For one thread, which owns it.
 */
final class DiskComparison implements AutoCloseable {
    private static final int RUN_BYTES = 1 << 20;

    private final TaskControl control;
    private final Manifest manifest;
    private final List<ExistingDisk> disks;
    private final PointMaps maps;
    private final Workers workers;
    private final int chunkSize;
    private final int runChunks;
    private final LongAdder compared = new LongAdder();
    private volatile boolean isEnough;

    DiskComparison(
            RepositoryAccess access,
            TaskControl control,
            Manifest manifest,
            List<ExistingDisk> disks,
            IndexView index) {
        this.control = control;
        this.manifest = manifest;
        this.disks = disks;
        this.maps = new PointMaps(access, index, manifest);
        this.chunkSize = access.options().chunkSize();
        this.runChunks = Math.max(1, Math.min(RUN_BYTES / chunkSize, MapPage.FAN_OUT));
        long room = access.memoryBudget() / 2 / ((long) runChunks * chunkSize + ChunkMatcher.memory(chunkSize));
        this.workers = new Workers(access.executor(), (int) Math.max(1, Math.min(access.parallelism(), room)));
    }

    /** What of the maps can not be read. */
    List<Damage> damage() {
        DamageCollector damage = new DamageCollector(chunkSize);
        for (ExistingDisk disk : disks) {
            Manifest.Disk description = disk.description();
            mapOf(disk).visit(new MapReader.Visitor() {
                @Override
                public void chunk(long number, byte[] ids, int idOffset) {
                    if (number % MapPage.FAN_OUT == 0) {
                        control.checkpoint();
                    }
                }

                @Override
                public void damaged(long first, long count, CorruptDataException cause) {
                    PointStream.addTo(damage, manifest, description, first, count, cause);
                }
            });
        }
        return damage.damage();
    }

    /** Compares; a difference for each disk. */
    List<DiskDifference> run() {
        return run(false);
    }

    /** Compares until the first difference, of which the disk's is told: the others may not have been compared. */
    List<DiskDifference> runToFirst() {
        return run(true);
    }

    private List<DiskDifference> run(boolean toFirst) {
        control.meter().enter(TaskPhase.COMPARE);
        List<DiskDifference> differences = new ArrayList<>();
        List<ProgressMeter.Disk> meters = new ArrayList<>();
        List<RunQueue.Source> sources = new ArrayList<>();
        for (ExistingDisk disk : disks) {
            long chunks = disk.description().chunks(chunkSize);
            differences.add(new DiskDifference(chunks));
            ProgressMeter.Disk meter = control.meter().disk(disk.description().id());
            meter.plan(disk.description().capacity());
            meters.add(meter);
            sources.add(new RunQueue.Source(
                    ChunkBitmap.full(chunks), disk.disk().limits().requestsPerReader()));
        }
        RunQueue queue = new RunQueue(sources, runChunks);
        TaskControl.Registration breakOff = control.onCancel(
                () -> disks.forEach(disk -> disk.disk().reader().close()));
        try {
            workers.run(stop -> new Worker(queue, differences, meters, toFirst).run(stop));
        } finally {
            breakOff.close();
        }
        control.checkpoint();
        return differences;
    }

    /** Bytes that were compared. */
    long comparedBytes() {
        return compared.sum();
    }

    @Override
    public void close() {
        maps.close();
    }

    private PointMaps.Disk mapOf(ExistingDisk disk) {
        return Objects.requireNonNull(maps.disk(disk.description().id()));
    }

    /** Reads runs and compares their chunks. For one thread. */
    private final class Worker {
        private final RunQueue queue;
        private final List<DiskDifference> differences;
        private final List<ProgressMeter.Disk> meters;
        private final boolean toFirst;
        private final ByteBuffer buffer = IoBuffers.allocate(runChunks * chunkSize);
        private final ChunkMatcher matcher = new ChunkMatcher(chunkSize);

        Worker(RunQueue queue, List<DiskDifference> differences, List<ProgressMeter.Disk> meters, boolean toFirst) {
            this.queue = queue;
            this.differences = differences;
            this.meters = meters;
            this.toFirst = toFirst;
        }

        void run(Workers.Stop stop) {
            for (RunQueue.Run run = queue.take(stop); run != null; run = queue.take(stop)) {
                compare(run);
                control.checkpoint();
                if (isEnough) {
                    return;
                }
            }
        }

        private void compare(RunQueue.Run run) {
            ExistingDisk disk = disks.get(run.disk());
            long offset = run.first() * chunkSize;
            int length = (int)
                    Math.min((long) run.count() * chunkSize, disk.description().capacity() - offset);
            try {
                new BoundedReader(
                                disk.description().id(),
                                disk.disk().reader(),
                                disk.disk().limits())
                        .read(offset, buffer.clear().limit(length));
            } finally {
                queue.release(run);
            }
            IoBuffers.fillWithZeroes(buffer.clear(), length, run.count() * chunkSize);
            long leaf = run.first() / MapPage.FAN_OUT;
            MapPage page = mapOf(disk).page(0, leaf);
            int entry = (int) (run.first() - leaf * MapPage.FAN_OUT);
            for (int i = 0; i < run.count(); i++) {
                if (!matcher.isSame(buffer, i * chunkSize, page, entry + i)) {
                    differences.get(run.disk()).add(run.first() + i, page == null || page.isNull(entry + i));
                    isEnough = toFirst;
                }
            }
            compared.add(length);
            meters.get(run.disk()).read(length);
        }
    }
}
