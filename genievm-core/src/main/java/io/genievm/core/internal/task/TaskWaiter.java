package io.genievm.core.internal.task;

import io.genievm.core.internal.store.Waiter;

/**
 * Waits for a task: as long as it is not cancelled, and then, for what clears up after it, a short while in all. Safe for use
 * by several threads.
 */
public final class TaskWaiter implements Waiter {
    private final TaskControl control;
    private long left;

    /**
     * Makes a waiter.
     *
     * @param control the task's
     * @param afterCancellation nanoseconds that all waiting which begins after a cancellation takes together, at the most
     */
    public TaskWaiter(TaskControl control, long afterCancellation) {
        this.control = control;
        this.left = afterCancellation;
    }

    @Override
    public boolean await(long nanos) {
        if (!control.isCancelled()) {
            return control.sleep(nanos, false);
        }
        synchronized (this) {
            left -= nanos;
            return left >= 0 && control.sleep(nanos, true);
        }
    }
}
