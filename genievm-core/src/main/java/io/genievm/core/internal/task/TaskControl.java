package io.genievm.core.internal.task;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a task's threads ask between pieces of work: whether to go on, wait or stop. Safe for use by several threads. */
public final class TaskControl {
    private static final Logger LOG = LoggerFactory.getLogger(TaskControl.class);

    private final Object monitor = new Object();
    private final List<Runnable> cancelActions = new ArrayList<>();
    private final ProgressMeter meter;
    private boolean paused;
    private volatile boolean cancelled;

    /** Makes the control of a task that counts with a meter. */
    public TaskControl(ProgressMeter meter) {
        this.meter = meter;
    }

    /** What the task counts with. */
    public ProgressMeter meter() {
        return meter;
    }

    /** Whether the task was cancelled. */
    public boolean isCancelled() {
        return cancelled;
    }

    /**
     * Returns when the task may go on.
     *
     * @throws TaskCancelledException when it was cancelled
     */
    public void checkpoint() {
        if (cancelled) {
            throw cancelledException();
        }
        synchronized (monitor) {
            boolean interrupted = false;
            while (paused && !cancelled) {
                try {
                    monitor.wait();
                } catch (InterruptedException e) {
                    // The executor's owner may interrupt its threads; a pause is ended by resume or cancel alone.
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        if (cancelled) {
            throw cancelledException();
        }
    }

    /**
     * Lets so many nanoseconds pass, or fewer when the task is cancelled meanwhile.
     *
     * @param thoughCancelled whether they pass all the same
     * @return whether they have passed
     */
    boolean sleep(long nanos, boolean thoughCancelled) {
        long end = System.nanoTime() + nanos;
        boolean interrupted = false;
        synchronized (monitor) {
            for (long rest = nanos; rest > 0 && (thoughCancelled || !cancelled); rest = end - System.nanoTime()) {
                try {
                    TimeUnit.NANOSECONDS.timedWait(monitor, rest);
                } catch (InterruptedException e) {
                    // As in a pause.
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return thoughCancelled || !cancelled;
    }

    /**
     * Registers what breaks off blocked calls when the task is cancelled; runs it at once if it was. It must not block.
     *
     * @return takes the registration back
     */
    public Registration onCancel(Runnable action) {
        synchronized (monitor) {
            if (!cancelled) {
                cancelActions.add(action);
                return () -> {
                    synchronized (monitor) {
                        cancelActions.remove(action);
                    }
                };
            }
        }
        action.run();
        return () -> {};
    }

    /** A registration that can be taken back. */
    public interface Registration extends AutoCloseable {
        @Override
        void close();
    }

    /** The exception that ends a cancelled task. */
    public static TaskCancelledException cancelledException() {
        return new TaskCancelledException(Resource.NONE, "the task was cancelled", null);
    }

    /** What to throw for a failure: after a cancellation, the consequences of breaking off calls are not the news. */
    public GenieVmException translate(Throwable failure) {
        if (cancelled && !(failure instanceof TaskCancelledException)) {
            TaskCancelledException exception = cancelledException();
            exception.addSuppressed(failure);
            return exception;
        }
        if (failure instanceof GenieVmException exception) {
            return exception;
        }
        if (failure instanceof OutOfMemoryError) {
            return new GenieVmException(
                    ErrorCode.LIMIT_EXCEEDED,
                    Resource.NONE,
                    "there is not enough memory (" + failure.getMessage()
                            + "): give the JVM more, or the task a smaller memory budget",
                    failure);
        }
        return new GenieVmException(ErrorCode.INTERNAL_ERROR, Resource.NONE, "unexpected failure: " + failure, failure);
    }

    void cancel() {
        List<Runnable> actions;
        synchronized (monitor) {
            if (cancelled) {
                return;
            }
            cancelled = true;
            monitor.notifyAll();
            actions = List.copyOf(cancelActions);
        }
        RuntimeException failure = null;
        for (Runnable action : actions) {
            try {
                action.run();
            } catch (RuntimeException e) {
                failure = e;
            }
        }
        if (failure != null) {
            LOG.warn("something that blocks could not be broken off", failure);
        }
    }

    void setPaused(boolean value) {
        synchronized (monitor) {
            paused = value;
            monitor.notifyAll();
        }
    }

    boolean isPaused() {
        synchronized (monitor) {
            return paused;
        }
    }
}
