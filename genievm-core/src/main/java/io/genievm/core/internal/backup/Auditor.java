package io.genievm.core.internal.backup;

import io.genievm.api.task.TaskPhase;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.plan.ChunkMatcher;
import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.repository.PointMaps;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.ProgressMeter;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/**
 * Compares what drivers call unchanged with the parent's maps. The first mismatch of a disk ends its audit: the disk will be
 * read as a whole, which finds all there are. For one thread.
 */
final class Auditor {
    private final TaskControl control;
    private final WriterSession session;
    private final Workers workers;
    private final int chunkSize;
    private final int runChunks;
    private final long aheadMemory;

    Auditor(
            TaskControl control,
            WriterSession session,
            Workers workers,
            int chunkSize,
            int runChunks,
            long aheadMemory) {
        this.control = control;
        this.session = session;
        this.workers = workers;
        this.chunkSize = chunkSize;
        this.runChunks = runChunks;
        this.aheadMemory = aheadMemory;
    }

    /** What came of the audit of a disk. Safe for use by several threads. */
    static final class Finding {
        private final LongAdder compared = new LongAdder();
        private final LongAdder read = new LongAdder();
        private volatile boolean mismatch;
        private volatile boolean holeMismatch;

        /** Bytes of chunks that were compared. */
        long comparedBytes() {
            return compared.sum();
        }

        /** Bytes of these that were read. */
        long readBytes() {
            return read.sum();
        }

        /** Whether a chunk differed. */
        boolean isMismatch() {
            return mismatch;
        }

        /** Whether it was one that was not read, as the driver says that it is not allocated. */
        boolean isHoleMismatch() {
            return holeMismatch;
        }
    }

    /** Audits what the plans say; a finding for each. */
    List<Finding> audit(List<PlannedDisk> disks) {
        List<Finding> findings = new ArrayList<>();
        disks.forEach(disk -> findings.add(new Finding()));
        if (disks.stream().allMatch(disk -> disk.audit() == null)) {
            return findings;
        }
        control.meter().enter(TaskPhase.AUDIT);
        List<RunQueue.Source> sources = new ArrayList<>();
        List<ProgressMeter.Disk> meters = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            PlannedDisk disk = disks.get(i);
            PlannedDisk.Audit audit = disk.audit();
            ProgressMeter.Disk meter = control.meter().disk(disk.source().disk().id());
            meters.add(meter);
            ChunkBitmap toRead = new ChunkBitmap(disk.allocated().chunks());
            if (audit != null) {
                meter.plan(audit.chunks().bytes(chunkSize, disk.source().capacity()));
                compareHoles(disk, audit.chunks().without(disk.allocated()), findings.get(i), meter);
                if (!findings.get(i).mismatch) {
                    toRead = audit.chunks().and(disk.allocated());
                }
            }
            sources.add(new RunQueue.Source(toRead, disk.source().concurrency()));
        }
        RunQueue queue = new RunQueue(sources, runChunks);
        RunReader runs = new RunReader(
                control, queue, disks.stream().map(PlannedDisk::source).toList(), chunkSize, runChunks, aheadMemory);
        workers.run(crew -> new Worker(queue, runs.cursor(crew), disks, findings, meters).run());
        control.checkpoint();
        return findings;
    }

    /** What the driver calls a hole and unchanged needs no reading: the parent must have a hole there too. */
    private void compareHoles(PlannedDisk disk, ChunkBitmap holes, Finding finding, ProgressMeter.Disk meter) {
        for (long chunk = holes.nextSet(0); chunk >= 0; ) {
            long leaf = chunk / MapPage.FAN_OUT;
            long first = leaf * MapPage.FAN_OUT;
            long end = Math.min(first + MapPage.FAN_OUT, holes.chunks());
            MapPage page = parentOf(disk).page(0, leaf);
            for (; chunk >= 0 && chunk < end; chunk = holes.nextSet(chunk + 1)) {
                long bytes = Math.min(chunkSize, disk.source().capacity() - chunk * chunkSize);
                finding.compared.add(bytes);
                meter.skip(bytes);
                if (page != null && !page.isNull((int) (chunk - first))) {
                    finding.mismatch = true;
                    finding.holeMismatch = true;
                    return;
                }
            }
            control.checkpoint();
        }
    }

    private static PointMaps.Disk parentOf(PlannedDisk disk) {
        PointMaps.Disk parent = disk.parent();
        if (parent == null) {
            throw new IllegalStateException("only what has a parent is audited");
        }
        return parent;
    }

    /** Reads runs and compares their chunks. For one thread. */
    private final class Worker {
        private final RunQueue queue;
        private final RunReader.Cursor runs;
        private final List<PlannedDisk> disks;
        private final List<Finding> findings;
        private final List<ProgressMeter.Disk> meters;
        private final ChunkMatcher matcher = new ChunkMatcher(chunkSize);

        Worker(
                RunQueue queue,
                RunReader.Cursor runs,
                List<PlannedDisk> disks,
                List<Finding> findings,
                List<ProgressMeter.Disk> meters) {
            this.queue = queue;
            this.runs = runs;
            this.disks = disks;
            this.findings = findings;
            this.meters = meters;
        }

        void run() {
            while (runs.next()) {
                compare(runs.run());
                session.stayAlive();
                control.checkpoint();
            }
        }

        private void compare(RunQueue.Run run) {
            long leaf = run.first() / MapPage.FAN_OUT;
            MapPage page = parentOf(disks.get(run.disk())).page(0, leaf);
            int entry = (int) (run.first() - leaf * MapPage.FAN_OUT);
            Finding finding = findings.get(run.disk());
            for (int i = 0; i < run.count(); i++) {
                if (!matcher.isSame(runs.data(), i * chunkSize, page, entry + i)) {
                    finding.mismatch = true;
                    queue.drop(run.disk());
                }
            }
            finding.compared.add(runs.length());
            finding.read.add(runs.length());
            meters.get(run.disk()).read(runs.length());
        }
    }
}
