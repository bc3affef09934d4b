package io.genievm.core.internal.task;

import io.genievm.core.internal.store.Waiter;

/**
 * Waits for a task. In a call that began before the task was cancelled: until then. In one that began afterwards, which
 * clears up: a short while, for all such calls together. Safe for use by several threads.
 */
public final class TaskWaiter implements Waiter {
    private final TaskControl control;
    private long left;

    /**
     * Makes a waiter.
     *
     * @param control the task's
     * @param afterCancellation the most nanoseconds that calls which begin after a cancellation wait together
     */
    public TaskWaiter(TaskControl control, long afterCancellation) {
        this.control = control;
        this.left = afterCancellation;
    }

    @Override
    public boolean await(long nanos) {
        return control.sleep(nanos, false);
    }

    @Override
    public Waiter forCall() {
        return control.isCancelled() ? this::awaitThoughCancelled : this;
    }

    private boolean awaitThoughCancelled(long nanos) {
        synchronized (this) {
            if (nanos > left) {
                return false;
            }
            left -= nanos;
        }
        return control.sleep(nanos, true);
    }
}
