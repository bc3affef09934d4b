package io.genievm.core.internal.task;

import io.genievm.api.DiskId;
import io.genievm.api.GenieVmException;
import io.genievm.api.Warning;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskProgress;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;

/** Counts what a task does. Safe for use by several threads. */
public final class ProgressMeter {
    private final LongAdder planned = new LongAdder();
    private final LongAdder read = new LongAdder();
    private final LongAdder skipped = new LongAdder();
    private final LongAdder stored = new LongAdder();
    private final List<Disk> disks = new CopyOnWriteArrayList<>();
    private final Set<Warning> warnings = new LinkedHashSet<>();
    private final Consumer<TaskPhase> phaseListener;
    private final Consumer<Warning> warningListener;
    private final Consumer<TaskEvent.Retried> retryListener;
    private volatile TaskPhase phase = TaskPhase.PREPARE;

    ProgressMeter(
            Consumer<TaskPhase> phaseListener,
            Consumer<Warning> warningListener,
            Consumer<TaskEvent.Retried> retryListener) {
        this.phaseListener = phaseListener;
        this.warningListener = warningListener;
        this.retryListener = retryListener;
    }

    /** Enters a phase: its figures begin at zero. */
    public void enter(TaskPhase next) {
        phase = next;
        planned.reset();
        read.reset();
        skipped.reset();
        stored.reset();
        disks.clear();
        phaseListener.accept(next);
    }

    /** Adds to what there is to deal with. */
    public void plan(long bytes) {
        planned.add(bytes);
    }

    /** Adds to what was read. */
    public void read(long bytes) {
        read.add(bytes);
    }

    /** Adds to what needed no reading. */
    public void skip(long bytes) {
        skipped.add(bytes);
    }

    /** Adds to what was written to the target. */
    public void store(long bytes) {
        stored.add(bytes);
    }

    /** Tells a warning; the same one only once. */
    public void warn(Warning warning) {
        synchronized (warnings) {
            if (!warnings.add(warning)) {
                return;
            }
        }
        warningListener.accept(warning);
    }

    /** Tells that a call of the store is tried again after so many nanoseconds. */
    public void retry(GenieVmException failure, long pause) {
        retryListener.accept(
                new TaskEvent.Retried(failure.code(), String.valueOf(failure.getMessage()), Duration.ofNanos(pause)));
    }

    /** Takes back all warnings but these. */
    public void keepWarnings(List<Warning> kept) {
        synchronized (warnings) {
            warnings.retainAll(kept);
        }
    }

    /** All warnings so far. */
    public List<Warning> warnings() {
        synchronized (warnings) {
            return List.copyOf(warnings);
        }
    }

    /** Begins to count a disk, whose figures go into those of the task as well. */
    public Disk disk(DiskId id) {
        Disk disk = new Disk(id);
        disks.add(disk);
        return disk;
    }

    TaskProgress progress() {
        return new TaskProgress(
                phase,
                planned.sum(),
                read.sum() + skipped.sum(),
                read.sum(),
                skipped.sum(),
                stored.sum(),
                disks.stream().map(Disk::progress).toList());
    }

    /** The figures of one disk. */
    public final class Disk {
        private final DiskId id;
        private final LongAdder diskPlanned = new LongAdder();
        private final LongAdder diskRead = new LongAdder();
        private final LongAdder diskSkipped = new LongAdder();

        private Disk(DiskId id) {
            this.id = id;
        }

        /** Adds to what there is to deal with. */
        public void plan(long bytes) {
            diskPlanned.add(bytes);
            planned.add(bytes);
        }

        /** Adds to what was read. */
        public void read(long bytes) {
            diskRead.add(bytes);
            read.add(bytes);
        }

        /** Adds to what needed no reading. */
        public void skip(long bytes) {
            diskSkipped.add(bytes);
            skipped.add(bytes);
        }

        /** Bytes read so far. */
        public long readBytes() {
            return diskRead.sum();
        }

        private TaskProgress.Disk progress() {
            return new TaskProgress.Disk(
                    id, diskPlanned.sum(), diskRead.sum() + diskSkipped.sum(), diskRead.sum(), diskSkipped.sum());
        }
    }
}
