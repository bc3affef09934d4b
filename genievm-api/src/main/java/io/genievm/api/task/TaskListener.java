package io.genievm.api.task;

/**
 * Is told what a task does. Called by one thread at a time, which is none of those that move data: a slow listener is
 * told less often of progress, and stalls nothing. What it throws is logged and otherwise ignored.
 *
 * @since 0.1
 */
@FunctionalInterface
public interface TaskListener {
    /**
     * Is told one event.
     *
     * @param event the event
     */
    void onEvent(TaskEvent event);
}
