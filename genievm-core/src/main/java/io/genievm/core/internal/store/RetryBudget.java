package io.genievm.core.internal.store;

import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;

/**
 * How long all calls of one store together may wait for it to come back: a bucket of time. It is emptied while at least one
 * call waits, however many do, and filled a little by each call that succeeds. When it is empty nobody waits any more, so
 * that a dead store costs its patience once and not for every call. Safe for use by several threads.
 */
public final class RetryBudget {
    private static final int FIRST_PART = 512;
    private static final int LONGEST_PART = 8;
    private static final int EARNED_PART = 64;
    private static final int CLEANING_PART = 32;
    private static final long MOST_CLEANING = TimeUnit.SECONDS.toNanos(2);

    private final long patience;
    private final LongSupplier clock;
    private final DoubleSupplier random;
    private int waiting;
    private long waitingSince;
    private volatile long spent;

    /**
     * Makes a budget.
     *
     * @param patience nanoseconds that a call, and all calls together, wait; 0 to try everything once
     */
    public RetryBudget(long patience) {
        this(patience, System::nanoTime, () -> ThreadLocalRandom.current().nextDouble());
    }

    RetryBudget(long patience, LongSupplier clock, DoubleSupplier random) {
        this.patience = patience;
        this.clock = clock;
        this.random = random;
    }

    long now() {
        return clock.getAsLong();
    }

    long patience() {
        return patience;
    }

    /** How long what clears up after a cancellation may wait: its owner wants it to end, but not to leave things behind. */
    public long cleaningPatience() {
        return Math.min(patience / CLEANING_PART, MOST_CLEANING);
    }

    /**
     * How long to wait after so many failures of a call in a row, from 1: twice as long each time up to a limit, and between
     * half of that and all of it, so that those who failed together do not come back together.
     */
    long pause(int failures) {
        long whole = Math.min(patience / LONGEST_PART, patience / FIRST_PART << Math.min(failures - 1, 10));
        return (long) (whole / 2.0 * (1 + random.getAsDouble()));
    }

    /** Begins to wait; gives whether there is any time left for that. Each beginning has its {@link #endWaiting}. */
    synchronized boolean beginWaiting() {
        long now = now();
        if (spent + (waiting > 0 ? now - waitingSince : 0) >= patience) {
            return false;
        }
        if (waiting++ == 0) {
            waitingSince = now;
        }
        return true;
    }

    synchronized void endWaiting() {
        if (--waiting == 0) {
            spent = Math.min(patience, spent + now() - waitingSince);
        }
    }

    /** A call has succeeded. */
    void earn() {
        if (spent > 0) {
            synchronized (this) {
                spent = Math.max(0, spent - patience / EARNED_PART);
            }
        }
    }
}
