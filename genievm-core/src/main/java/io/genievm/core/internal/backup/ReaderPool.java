package io.genievm.core.internal.backup;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.core.internal.plan.BoundedReader;
import io.genievm.core.internal.plan.RunQueue;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The open readers of one disk, within its limits. Whoever calls {@link #read} has been admitted by the {@link RunQueue},
 * so that there are never more calls at a time than {@link #concurrency}. Safe for use by several threads.
 */
final class ReaderPool implements AutoCloseable {
    private static final int MAX_SLOTS = 256;
    private static final int ATTEMPTS = 3;

    private final SnapshotDisk disk;
    private final DiskLimits limits;
    private final List<DiskReader> all = new CopyOnWriteArrayList<>();
    private final Deque<DiskReader> slots = new ArrayDeque<>();
    private volatile boolean closed;

    ReaderPool(SnapshotDisk disk) {
        this.disk = disk;
        this.limits = disk.limits();
    }

    /** How many reads may be under way at a time. */
    int concurrency() {
        return (int) Math.min(Integer.MAX_VALUE, (long) limits.readers() * limits.requestsPerReader());
    }

    /** Fills a buffer, in requests that the limits allow; repeats with another reader what may pass. */
    void read(long offset, ByteBuffer target) {
        int start = target.position();
        int end = target.limit();
        for (int attempt = 1; ; attempt++) {
            DiskReader reader = take();
            try {
                target.limit(end).position(start);
                new BoundedReader(disk.id(), reader, limits).read(offset, target);
                give(reader);
                return;
            } catch (GenieVmException e) {
                discard(reader);
                // Closed although the pool is not: another thread's read has failed on the same reader.
                boolean mayPass = e.isRetryable() || e.code().equals(ErrorCode.CLOSED);
                if (!mayPass || closed || attempt == ATTEMPTS) {
                    throw e;
                }
            }
        }
    }

    private void discard(DiskReader reader) {
        synchronized (this) {
            slots.removeIf(slot -> slot == reader);
        }
        // Closed before another may be opened, which the limits count.
        reader.close();
        synchronized (this) {
            all.remove(reader);
            notifyAll();
        }
    }

    /** Breaks off reads under way; waits for none of them. */
    @Override
    public void close() {
        closed = true;
        RuntimeException failure = null;
        for (DiskReader reader : all) {
            try {
                reader.close();
            } catch (RuntimeException e) {
                // The others are to be closed all the same.
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private synchronized DiskReader take() {
        while (true) {
            DiskReader free = slots.poll();
            if (free != null) {
                return free;
            }
            // A reader that another thread is about to close still counts.
            if (closed || all.size() < limits.readers()) {
                try {
                    return open();
                } catch (GenieVmException e) {
                    if (!e.code().equals(ErrorCode.BUSY) || all.isEmpty() || closed) {
                        throw e;
                    }
                }
            }
            awaitFree();
        }
    }

    private DiskReader open() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the readers of disk '" + disk.id() + "' are closed");
        }
        DiskReader reader = disk.openReader();
        all.add(reader);
        if (closed) {
            reader.close();
        }
        // A reader that takes several calls at a time stands in the queue as often.
        int more = Math.min(limits.requestsPerReader(), MAX_SLOTS) - 1;
        for (int i = 0; i < more; i++) {
            slots.add(reader);
        }
        return reader;
    }

    /** Waits a moment for a reader; an interrupt is kept for whoever owns the thread. */
    private void awaitFree() {
        boolean interrupted = Thread.interrupted();
        try {
            wait(100);
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void give(DiskReader reader) {
        if (all.contains(reader)) {
            slots.push(reader);
        }
        notifyAll();
    }
}
