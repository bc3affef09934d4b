package io.genievm.core.internal.backup;

import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.spi.IoBuffers;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Gives workers the runs of a queue with their content. A worker reads in its own thread, which is best where reading is
 * copying from memory. Where workers spend their time waiting for a disk or a network, further threads read ahead of them,
 * one more each time that the waiting has been too long, within the limits of the disks and of the memory. Safe for use by
 * several threads.
 */
final class RunReader {
    /** How many runs a worker measures before it judges. */
    private static final int MEASURED = 8;
    /** The part of its time that a worker may wait for content, as one in so many. */
    private static final int TOLERATED = 4;

    private static final int MOST_AHEAD = 8;
    private static final long WAIT_MILLIS = 100;

    private final TaskControl control;
    private final RunQueue queue;
    private final List<DiskSource> disks;
    private final int chunkSize;
    private final int runBytes;
    private final int most;
    // Guarded by this.
    private final Deque<Slot> filled = new ArrayDeque<>();
    private final Set<Thread> workers = new HashSet<>();
    private int engaged;
    private int reading;

    /**
     * Makes a reader.
     *
     * @param queue the runs
     * @param disks what they are of
     * @param runChunks how many chunks a run has at the most
     * @param memory bytes for reading ahead
     */
    RunReader(TaskControl control, RunQueue queue, List<DiskSource> disks, int chunkSize, int runChunks, long memory) {
        this.control = control;
        this.queue = queue;
        this.disks = disks;
        this.chunkSize = chunkSize;
        this.runBytes = runChunks * chunkSize;
        long concurrency = disks.stream().mapToLong(DiskSource::concurrency).sum();
        this.most = (int) Math.min(Math.min(MOST_AHEAD, concurrency), memory / runBytes);
    }

    /** Bytes for reading ahead that are of use. */
    static long memory(int chunkSize, int runChunks) {
        return (long) MOST_AHEAD * runChunks * chunkSize;
    }

    /** The calling worker's place for one run at a time. */
    synchronized Cursor cursor(Workers.Crew crew) {
        workers.add(Thread.currentThread());
        return new Cursor(crew);
    }

    /** One run and its content, padded with zeroes to whole chunks. For one thread. */
    final class Cursor {
        private final Workers.Crew crew;
        private final Slot own = new Slot();
        private RunQueue.@Nullable Run run;
        private int length;
        private int measured;
        private long waited;
        private long begun = System.nanoTime();

        private Cursor(Workers.Crew crew) {
            this.crew = crew;
        }

        /** Goes to the next run; false when there is none or another worker has failed. */
        boolean next() {
            long before = System.nanoTime();
            Slot slot = takeFilled(crew, false);
            if (slot == null && fill(own, crew)) {
                slot = own;
            }
            if (slot == null) {
                // Somebody may have begun to read ahead meanwhile, and have taken the last run.
                slot = takeFilled(crew, true);
            }
            if (slot == null) {
                return false;
            }
            run = slot.run();
            // Against the buffer that this worker is done with, so that whoever reads ahead can go on.
            if (slot != own) {
                own.exchange(slot);
            }
            length = own.buffer.remaining();
            IoBuffers.fillWithZeroes(own.buffer.clear(), length, run.count() * chunkSize);
            measure(before);
            return true;
        }

        /** The run. */
        RunQueue.Run run() {
            if (run == null) {
                throw new IllegalStateException("there is a run after next()");
            }
            return run;
        }

        /** Bytes of the disk, without padding. */
        int length() {
            return length;
        }

        /** The content, from the beginning of the buffer on; valid until the next {@link #next}. */
        ByteBuffer data() {
            return own.buffer;
        }

        private void measure(long before) {
            long now = System.nanoTime();
            waited += now - before;
            if (++measured == MEASURED) {
                if (waited > (now - begun) / TOLERATED) {
                    engage(crew);
                }
                measured = 0;
                waited = 0;
                begun = now;
            }
        }
    }

    /** Has one more thread read ahead, if that is allowed. */
    private void engage(Workers.Crew crew) {
        synchronized (this) {
            if (engaged == most) {
                return;
            }
            engaged++;
        }
        crew.engage(() -> {
            // An executor may run what it is given in a thread that calls it, and a worker can not wait for itself.
            if (!isWorker(Thread.currentThread())) {
                readAhead(crew);
            }
        });
    }

    private synchronized boolean isWorker(Thread thread) {
        return workers.contains(thread);
    }

    private void readAhead(Workers.Crew crew) {
        synchronized (this) {
            reading++;
        }
        try {
            Slot slot = new Slot();
            while (fill(slot, crew)) {
                synchronized (this) {
                    filled.add(slot);
                    notifyAll();
                }
                while (slot.isFull()) {
                    if (crew.requested()) {
                        return;
                    }
                    control.checkpoint();
                }
            }
        } finally {
            synchronized (this) {
                reading--;
                notifyAll();
            }
        }
    }

    /**
     * A run that was read ahead; {@code null} when the worker has to read itself.
     *
     * @param last whether there are no more runs than those that are being read
     */
    private synchronized @Nullable Slot takeFilled(Workers.Stop stop, boolean last) {
        while (!stop.requested()) {
            Slot slot = filled.poll();
            // Where fewer read ahead than there are workers, these would have to wait for each other.
            if (slot != null || reading < (last ? 1 : workers.size())) {
                return slot;
            }
            await(this);
        }
        return null;
    }

    /** Takes a run and reads it; false when there is none. */
    private boolean fill(Slot slot, Workers.Stop stop) {
        RunQueue.Run run = queue.take(stop);
        if (run == null) {
            return false;
        }
        try {
            DiskSource disk = disks.get(run.disk());
            long offset = run.first() * chunkSize;
            int length = (int) Math.min((long) run.count() * chunkSize, disk.capacity() - offset);
            disk.read(offset, length, chunkSize, slot.buffer);
            slot.run = run;
        } finally {
            queue.release(run);
        }
        return true;
    }

    /**
     * Waits a moment, the monitor held; an interrupt is kept for whoever owns the thread, as it must not end the copy
     * half-way.
     */
    private static void await(Object monitor) {
        boolean interrupted = Thread.interrupted();
        try {
            monitor.wait(WAIT_MILLIS);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Room for the content of one run. */
    private final class Slot {
        private ByteBuffer buffer = IoBuffers.allocate(runBytes);
        private volatile RunQueue.@Nullable Run run;

        RunQueue.Run run() {
            RunQueue.Run held = run;
            if (held == null) {
                throw new IllegalStateException("only what was read is taken");
            }
            return held;
        }

        /** Takes the content of a slot that is full, which becomes empty. Called by the worker whose slot this is. */
        void exchange(Slot full) {
            ByteBuffer spent = buffer;
            buffer = full.buffer;
            full.empty(spent);
        }

        private synchronized void empty(ByteBuffer spent) {
            buffer = spent;
            run = null;
            notifyAll();
        }

        /** Whether its content still has to be taken, after a moment in which that may happen. */
        synchronized boolean isFull() {
            if (run != null) {
                await(this);
            }
            return run != null;
        }
    }
}
