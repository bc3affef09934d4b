package io.genievm.example.cli;

import io.genievm.api.Resource;
import io.genievm.api.TaskCancelledException;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What a signal does: the first cancels what is going on and gives it time to clean up, the second ends the process at
 * once. Where nothing needs cleaning up, the first ends it as well. Safe for use by several threads.
 */
final class Interruption {
    private final Duration grace;
    private final Consumer<String> say;
    private final IntConsumer end;
    private @Nullable Runnable cancel;
    private int signal;

    /**
     * Makes one.
     *
     * @param grace how long to wait for the clean-up
     * @param say tells a person
     * @param end ends the process with an exit status, whatever is still going on
     */
    Interruption(Duration grace, Consumer<String> say, IntConsumer end) {
        this.grace = grace;
        this.say = say;
        this.end = end;
    }

    /**
     * Says what the first signal is to call from now on until the process ends. Also when the work is done it stays, as
     * the outcome has to be printed yet.
     */
    synchronized void cancels(Runnable action) {
        cancel = action;
        if (signal != 0) {
            action.run();
        }
    }

    /** Gives the number of the first signal, 0 if there was none. */
    synchronized int signal() {
        return signal;
    }

    /** Throws when there was a signal. */
    void check() {
        if (signal() != 0) {
            throw new TaskCancelledException(Resource.NONE, "interrupted", null);
        }
    }

    /** Is called by a thread of its own for every signal. */
    void onSignal(int number) {
        boolean first;
        Runnable cleaningUp;
        synchronized (this) {
            first = signal == 0;
            signal = first ? number : signal;
            cleaningUp = first ? cancel : null;
        }
        if (first) {
            say.accept(
                    cleaningUp == null ? "interrupted" : "interrupted, cleaning up; a second signal ends it at once");
        }
        if (cleaningUp != null) {
            cleaningUp.run();
            sleep();
        }
        end.accept(ExitStatus.ofSignal(number));
    }

    private void sleep() {
        try {
            Thread.sleep(grace.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
