package io.genievm.core.internal.task;

import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskListener;
import io.genievm.api.task.TaskProgress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells listeners what a task does, in a thread of its own that exists only while there are listeners and the task has
 * not ended: whoever moves data only puts an event into a queue.
 */
final class EventDispatcher {
    private static final Logger LOG = LoggerFactory.getLogger(EventDispatcher.class);
    private static final long PROGRESS_INTERVAL_MILLIS = 200;

    private final Supplier<TaskProgress> progress;
    private final List<TaskListener> listeners = new ArrayList<>();
    private final Deque<TaskEvent> queue = new ArrayDeque<>();
    private TaskEvent.@Nullable Finished finished;
    private boolean threadRuns;

    EventDispatcher(Supplier<TaskProgress> progress) {
        this.progress = progress;
    }

    synchronized void add(TaskListener listener) {
        listeners.add(listener);
        if (threadRuns) {
            return;
        }
        if (finished != null && queue.isEmpty()) {
            queue.add(finished);
        }
        threadRuns = true;
        Thread thread = new Thread(this::run, "genievm-events");
        thread.setDaemon(true);
        thread.start();
    }

    synchronized void post(TaskEvent event) {
        if (!listeners.isEmpty()) {
            queue.add(event);
            notifyAll();
        }
    }

    synchronized void finish(TaskEvent.Finished event) {
        finished = event;
        post(event);
    }

    private void run() {
        TaskProgress last = progress.get();
        while (true) {
            TaskEvent event = next();
            if (event == null) {
                TaskProgress now = progress.get();
                if (!now.equals(last)) {
                    tell(new TaskEvent.Progressed(now));
                    last = now;
                }
            } else {
                if (event instanceof TaskEvent.Finished) {
                    tell(new TaskEvent.Progressed(progress.get()));
                }
                tell(event);
                if (event instanceof TaskEvent.Finished && leave()) {
                    return;
                }
            }
        }
    }

    private synchronized @Nullable TaskEvent next() {
        if (queue.isEmpty()) {
            try {
                wait(PROGRESS_INTERVAL_MILLIS);
            } catch (InterruptedException e) {
                // Nobody but a listener can have done this to the dispatcher's own thread.
                LOG.warn("the thread that tells events was interrupted", e);
            }
        }
        return queue.poll();
    }

    private synchronized boolean leave() {
        listeners.clear();
        threadRuns = !queue.isEmpty();
        return !threadRuns;
    }

    private void tell(TaskEvent event) {
        List<TaskListener> told;
        synchronized (this) {
            told = List.copyOf(listeners);
        }
        for (TaskListener listener : told) {
            try {
                listener.onEvent(event);
            } catch (RuntimeException | Error e) {
                // Also an error of one listener must not keep the news from the others.
                LOG.warn("a listener failed", e);
            }
        }
    }
}
