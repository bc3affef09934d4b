package io.genievm.core.internal.task;

import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;

/**
 * Lets several threads do one thing together: the caller's own, and as many of an executor as it gives. The work is done
 * when the caller's part is and those who began have come back, so an executor that gives no thread delays nothing.
 */
public final class Workers {
    private final Executor executor;
    private final int count;

    /** Makes workers: at most so many threads, the caller's included. */
    public Workers(Executor executor, int count) {
        this.executor = executor;
        this.count = count;
    }

    /** How many threads there are at the most. */
    public int count() {
        return count;
    }

    /** One thread's part: takes pieces of work from a common place until there are none. */
    @FunctionalInterface
    public interface Part {
        /** Works until there is nothing more to do, or the crew says that another part has failed. */
        void run(Crew crew);
    }

    /** Says whether another part has failed. */
    @FunctionalInterface
    public interface Stop {
        /** Whether to leave. */
        boolean requested();
    }

    /** Those who work together. Safe for use by several threads. */
    public interface Crew extends Stop {
        /**
         * Has a further thread do something, if the executor gives one before the work is done. It is waited for, and its failure
         * counts, as if it were a part.
         */
        void engage(Runnable help);
    }

    /** Runs the parts and waits for them; throws what the first failing part threw, the others' as suppressed. */
    public void run(Part part) {
        Joint work = new Joint(executor);
        Runnable own = () -> part.run(work);
        for (int i = 1; i < count; i++) {
            work.engage(own);
        }
        work.lead(own);
    }

    private static final class Joint implements Crew {
        private final Executor executor;
        private int active;
        private boolean closed;
        private volatile boolean failed;
        private Throwable failure = new IllegalStateException();

        Joint(Executor executor) {
            this.executor = executor;
        }

        @Override
        public boolean requested() {
            return failed;
        }

        @Override
        public void engage(Runnable help) {
            try {
                executor.execute(() -> join(help));
            } catch (RejectedExecutionException | OutOfMemoryError e) {
                // Those who are there do it all, if need be.
            }
        }

        private void join(Runnable help) {
            synchronized (this) {
                if (closed) {
                    return;
                }
                active++;
            }
            work(help);
            synchronized (this) {
                active--;
                notifyAll();
            }
        }

        void lead(Runnable own) {
            work(own);
            boolean interrupted = false;
            synchronized (this) {
                closed = true;
                while (active > 0) {
                    try {
                        wait();
                    } catch (InterruptedException e) {
                        // Leaving now would free buffers that others still write to.
                        interrupted = true;
                    }
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            if (failed) {
                throw sneaky(failure);
            }
        }

        private void work(Runnable piece) {
            try {
                piece.run();
            } catch (Throwable e) {
                fail(e);
            }
        }

        private synchronized void fail(Throwable e) {
            if (!failed) {
                failure = e;
                failed = true;
            } else if (failure != e) {
                failure.addSuppressed(e);
            }
        }

        private static RuntimeException sneaky(Throwable failure) {
            if (failure instanceof Error error) {
                throw error;
            }
            return (RuntimeException) failure;
        }
    }
}
