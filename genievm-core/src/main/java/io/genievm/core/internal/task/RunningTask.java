package io.genievm.core.internal.task;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskListener;
import io.genievm.api.task.TaskProgress;
import io.genievm.api.task.TaskState;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * The one kind of task handle.
 *
 * @param <T> the task's result
 */
public final class RunningTask<T> implements TaskHandle<T> {
    private final String name;
    private final EventDispatcher events = new EventDispatcher(this::progress);
    private final ProgressMeter meter = new ProgressMeter(
            phase -> events.post(new TaskEvent.PhaseStarted(phase)),
            warning -> events.post(new TaskEvent.Warned(warning)),
            events::post);
    private final TaskControl control = new TaskControl(meter);
    private final CompletableFuture<T> future = new CompletableFuture<>();
    private volatile boolean started;

    private RunningTask(String name) {
        this.name = name;
    }

    /** Starts a task. */
    public static <T> RunningTask<T> start(String name, Executor executor, Function<TaskControl, T> body) {
        RunningTask<T> task = new RunningTask<>(name);
        try {
            executor.execute(() -> task.run(body));
        } catch (RejectedExecutionException e) {
            throw new GenieVmException(
                    ErrorCode.LIMIT_EXCEEDED, Resource.NONE, "the executor refused to run the " + name, e);
        }
        return task;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public TaskState state() {
        if (future.isDone()) {
            return finalState();
        }
        if (!started) {
            return TaskState.PENDING;
        }
        return control.isPaused() && !control.isCancelled() ? TaskState.PAUSED : TaskState.RUNNING;
    }

    @Override
    public TaskProgress progress() {
        return meter.progress();
    }

    @Override
    public T await() throws InterruptedException {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw failure(e);
        }
    }

    @Override
    public Optional<T> await(Duration limit) throws InterruptedException {
        try {
            return Optional.of(future.get(limit.toNanos(), TimeUnit.NANOSECONDS));
        } catch (TimeoutException e) {
            return Optional.empty();
        } catch (ExecutionException e) {
            throw failure(e);
        }
    }

    /** Waits for the task to end, whatever its outcome, and however often this thread is interrupted. */
    public void awaitEnd() {
        future.handle((result, failure) -> true).join();
    }

    @Override
    public CompletionStage<T> completion() {
        // Not a stage of the future itself, which would wrap the failure.
        CompletableFuture<T> stage = new CompletableFuture<>();
        CompletableFuture<T> unused = future.whenComplete((result, failure) -> {
            if (failure == null) {
                stage.complete(result);
            } else {
                stage.completeExceptionally(failure);
            }
        });
        return stage;
    }

    @Override
    public void cancel() {
        if (!future.isDone()) {
            control.cancel();
        }
    }

    @Override
    public void pause() {
        control.setPaused(true);
    }

    @Override
    public void resume() {
        control.setPaused(false);
    }

    @Override
    public void addListener(TaskListener listener) {
        events.add(listener);
    }

    private void run(Function<TaskControl, T> body) {
        started = true;
        try {
            control.checkpoint();
            T result = body.apply(control);
            future.complete(result);
        } catch (Throwable e) {
            future.completeExceptionally(control.translate(e));
        }
        events.finish(new TaskEvent.Finished(finalState()));
    }

    private TaskState finalState() {
        try {
            future.join();
            return TaskState.COMPLETED;
        } catch (CompletionException e) {
            return e.getCause() instanceof TaskCancelledException ? TaskState.CANCELLED : TaskState.FAILED;
        }
    }

    private static GenieVmException failure(ExecutionException e) {
        if (e.getCause() instanceof GenieVmException failure) {
            return failure;
        }
        throw new IllegalStateException("a task failed with something else than a GenieVmException", e);
    }
}
