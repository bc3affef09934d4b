package io.genievm.api.task;

/**
 * Where a task stands.
 *
 * @since 0.1
 */
public enum TaskState {
    /** It has not begun. */
    PENDING,
    /** It works, or finishes the piece of work that was under way when it was paused. */
    RUNNING,
    /** It was paused and goes on after {@link TaskHandle#resume()}. */
    PAUSED,
    /** It has its result. */
    COMPLETED,
    /** It ended with an error. */
    FAILED,
    /** It ended because it was cancelled. */
    CANCELLED;

    /**
     * Says whether nothing more will happen.
     *
     * @return true for {@link #COMPLETED}, {@link #FAILED} and {@link #CANCELLED}
     */
    public boolean isFinal() {
        return this == COMPLETED || this == FAILED || this == CANCELLED;
    }
}
