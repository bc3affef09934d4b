package io.genievm.api.task;

import io.genievm.api.ErrorCode;
import io.genievm.api.Warning;
import java.time.Duration;

/**
 * Something that a {@link TaskListener} is told.
 *
 * @since 0.1
 */
public sealed interface TaskEvent {
    /**
     * A phase began.
     *
     * @param phase the phase
     * @since 0.1
     */
    record PhaseStarted(TaskPhase phase) implements TaskEvent {}

    /**
     * Work went on. Only the newest one is kept for a listener that is busy.
     *
     * @param progress how far the task is
     * @since 0.1
     */
    record Progressed(TaskProgress progress) implements TaskEvent {}

    /**
     * Something came up that a person should know.
     *
     * @param warning what
     * @since 0.1
     */
    record Warned(Warning warning) implements TaskEvent {}

    /**
     * A call of the store failed in a way that often passes and is tried again. The task goes on; only if that does not help
     * does it fail. Not a warning: what comes of it is as good as if nothing had happened.
     *
     * @param code what the call failed with
     * @param message what happened, for people
     * @param pause how long it waits before it tries again
     * @since 0.1
     */
    record Retried(ErrorCode code, String message, Duration pause) implements TaskEvent {}

    /**
     * The task ended. Always the last event, told exactly once.
     *
     * @param state one of the final states
     * @since 0.1
     */
    record Finished(TaskState state) implements TaskEvent {}
}
