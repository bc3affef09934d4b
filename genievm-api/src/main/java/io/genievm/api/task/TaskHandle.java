package io.genievm.api.task;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletionStage;

/**
 * A task that was started. Not to be implemented by others: methods may be added. Safe for use by several threads. Dropping the handle does not stop the task.
 *
 * @param <T> the task's result
 * @since 0.1
 */
public interface TaskHandle<T> {
    /**
     * Names the task for people: what is done to what.
     *
     * @return such as {@code backup of 'web'}
     */
    String name();

    /**
     * Says where the task stands.
     *
     * @return the state at this moment
     */
    TaskState state();

    /**
     * Says how far the task is.
     *
     * @return the figures at this moment
     */
    TaskProgress progress();

    /**
     * Waits for the task to end. When the waiting thread is interrupted, the task goes on.
     *
     * @return its result
     * @throws io.genievm.api.GenieVmException the failure of the task;
     *     {@link io.genievm.api.TaskCancelledException} when it was cancelled
     * @throws InterruptedException when this thread is interrupted
     */
    T await() throws InterruptedException;

    /**
     * Waits for the task to end, but not for ever.
     *
     * @param limit how long to wait
     * @return its result, or empty when the time is over
     * @throws io.genievm.api.GenieVmException the failure of the task
     * @throws InterruptedException when this thread is interrupted
     */
    Optional<T> await(Duration limit) throws InterruptedException;

    /**
     * The result as a stage. Completing or cancelling what is made of it has no effect on the task. It fails with the
     * task's {@link io.genievm.api.GenieVmException} itself, not wrapped.
     *
     * @return the stage; dependents run in a thread of the task's executor unless they ask for another
     */
    CompletionStage<T> completion();

    /**
     * Asks the task to end as soon as it can, within seconds: it cleans up and becomes {@link TaskState#CANCELLED},
     * unless it has its result or its failure by then. Returns at once. Does nothing the second time.
     */
    void cancel();

    /** Asks the task to pause at the next piece of work. Returns at once. Does nothing unless the task is running. */
    void pause();

    /** Lets a paused task go on. Does nothing unless the task is paused. */
    void resume();

    /**
     * Adds a listener, which is told what happens from now on; if the task has ended, just that.
     *
     * @param listener the listener
     */
    void addListener(TaskListener listener);
}
