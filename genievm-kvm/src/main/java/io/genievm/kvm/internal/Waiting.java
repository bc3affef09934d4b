package io.genievm.kvm.internal;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Waits that are not ended by an interrupt, which is kept for whoever owns the thread. */
public final class Waiting {
    private Waiting() {}

    /** Something that waits for so long at most. */
    @FunctionalInterface
    public interface Step<T extends @Nullable Object> {
        /**
         * Waits.
         *
         * @param nanos how long at most, in nanoseconds, 0 or more
         * @throws InterruptedException when the thread was interrupted; it is asked again then
         */
        T await(long nanos) throws InterruptedException;
    }

    /** Gives what the step gives, which is asked once, and again after each interrupt with what is left of the time. */
    public static <T extends @Nullable Object> T uninterrupted(Duration limit, Step<T> step) {
        long end = System.nanoTime() + limit.toNanos();
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return step.await(Math.max(0, end - System.nanoTime()));
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }
}
