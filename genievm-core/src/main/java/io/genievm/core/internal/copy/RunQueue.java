package io.genievm.core.internal.copy;

import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.task.Workers;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Hands out runs of planned chunks, of all disks in turn, never more of a disk at a time than it can be read by. Safe for
 * use by several threads.
 */
final class RunQueue {
    private static final long WAIT_MILLIS = 100;

    private final List<DiskCopy> disks;
    private final int runChunks;
    private final long[] next;
    private final int[] active;
    private int turn;

    /** Makes a queue of runs of at most so many chunks, a power of two up to a page's. */
    RunQueue(List<DiskCopy> disks, int runChunks) {
        this.disks = disks;
        this.runChunks = runChunks;
        this.next = new long[disks.size()];
        this.active = new int[disks.size()];
        for (DiskCopy disk : disks) {
            next[disk.number] = disk.planned.nextSet(0);
        }
    }

    /**
     * A run of chunks that lie in one page of the map.
     *
     * @param disk its disk
     * @param first its first chunk
     * @param count how many chunks it has
     */
    record Run(DiskCopy disk, long first, int count) {}

    /** The next run, or {@code null} when all were handed out or another worker has failed. */
    synchronized @Nullable Run take(Workers.Stop stop) {
        while (!stop.requested()) {
            boolean left = false;
            for (int i = 0; i < disks.size(); i++) {
                DiskCopy disk = disks.get((turn + i) % disks.size());
                if (next[disk.number] >= 0) {
                    left = true;
                    if (active[disk.number] < disk.readers.concurrency()) {
                        turn = (disk.number + 1) % disks.size();
                        return runOf(disk);
                    }
                }
            }
            if (!left) {
                return null;
            }
            awaitRelease();
        }
        return null;
    }

    /** Ends the reading of a run, so that its disk can be read by the next. */
    synchronized void release(Run run) {
        active[run.disk.number]--;
        notifyAll();
    }

    /** Waits a moment; an interrupt is kept for whoever owns the thread, as it must not end the copy half-way. */
    private void awaitRelease() {
        boolean interrupted = Thread.interrupted();
        try {
            wait(WAIT_MILLIS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private Run runOf(DiskCopy disk) {
        long first = next[disk.number];
        // Aligned ends keep runs inside one page of the map and one block of the source.
        long limit = (first / runChunks + 1) * runChunks;
        long end = disk.planned.nextClear(first, Math.min(limit, (first / MapPage.FAN_OUT + 1) * MapPage.FAN_OUT));
        next[disk.number] = disk.planned.nextSet(end);
        active[disk.number]++;
        return new Run(disk, first, (int) (end - first));
    }
}
