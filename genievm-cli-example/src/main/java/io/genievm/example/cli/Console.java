package io.genievm.example.cli;

import io.genievm.api.task.TaskHandle;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongSupplier;

/** Standard error: what a person sees while something is going on. */
final class Console {
    private static final Duration REFRESH = Duration.ofMillis(100);

    private final StatusLine status;
    private final OptionalInt width;
    private final LongSupplier nanoTime;
    private final Interruption interruption;

    /**
     * Makes one.
     *
     * @param error standard error
     * @param width its columns, or nothing when it is no terminal
     * @param nanoTime a clock that only goes forward
     * @param interruption what a signal does to a task
     */
    Console(PrintStream error, OptionalInt width, LongSupplier nanoTime, Interruption interruption) {
        this.status = new StatusLine(error);
        this.width = width;
        this.nanoTime = nanoTime;
        this.interruption = interruption;
    }

    void line(String text) {
        status.line(text);
    }

    /** Waits for a task, shows how far it is, and lets a signal cancel it. */
    <T> T follow(TaskHandle<T> task) throws InterruptedException {
        interruption.cancels(task::cancel);
        ProgressDisplay display = display(task.name());
        try {
            while (true) {
                Optional<T> result = task.await(REFRESH);
                if (result.isPresent()) {
                    return result.get();
                }
                display.show(task.progress());
            }
        } finally {
            status.clear();
        }
    }

    private ProgressDisplay display(String title) {
        // The last column stays free: some terminals go to the next line as soon as it is written to.
        return width.isPresent()
                ? new ProgressBar(title, width.getAsInt() - 1, nanoTime, status::status)
                : new ProgressLines(title, nanoTime, status::line);
    }
}
