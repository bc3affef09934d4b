package io.genievm.core.internal.plan;

import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.task.Workers;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Hands out runs of chunks, of all disks in turn, never more of a disk at a time than it can be read by. Safe for use by
 * several threads.
 */
public final class RunQueue {
    private static final long WAIT_MILLIS = 100;

    private final List<Source> disks;
    private final int runChunks;
    private final long[] next;
    private final int[] active;
    private int turn;

    /** Makes a queue of runs of at most so many chunks, a power of two up to a page's. */
    public RunQueue(List<Source> disks, int runChunks) {
        this.disks = List.copyOf(disks);
        this.runChunks = runChunks;
        this.next = new long[disks.size()];
        this.active = new int[disks.size()];
        for (int disk = 0; disk < next.length; disk++) {
            next[disk] = disks.get(disk).chunks.nextSet(0);
        }
    }

    /**
     * What is to be read of a disk.
     *
     * @param chunks the chunks
     * @param concurrency how many runs may be read at a time
     */
    public record Source(ChunkBitmap chunks, int concurrency) {}

    /**
     * A run of chunks that lie in one page of the map.
     *
     * @param disk its disk's number in the list
     * @param first its first chunk
     * @param count how many chunks it has
     */
    public record Run(int disk, long first, int count) {}

    /** The next run, or {@code null} when all were handed out or another worker has failed. */
    public synchronized @Nullable Run take(Workers.Stop stop) {
        while (!stop.requested()) {
            boolean left = false;
            for (int i = 0; i < next.length; i++) {
                int disk = (turn + i) % next.length;
                if (next[disk] >= 0) {
                    left = true;
                    if (active[disk] < disks.get(disk).concurrency) {
                        turn = (disk + 1) % next.length;
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
    public synchronized void release(Run run) {
        active[run.disk]--;
        notifyAll();
    }

    /** Hands out nothing more of a disk. */
    public synchronized void drop(int disk) {
        next[disk] = -1;
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

    private Run runOf(int disk) {
        ChunkBitmap chunks = disks.get(disk).chunks;
        long first = next[disk];
        // Aligned ends keep runs inside one page of the map and one block of the source.
        long limit = (first / runChunks + 1) * runChunks;
        long end = chunks.nextClear(first, Math.min(limit, (first / MapPage.FAN_OUT + 1) * MapPage.FAN_OUT));
        next[disk] = chunks.nextSet(end);
        active[disk]++;
        return new Run(disk, first, (int) (end - first));
    }
}
