package io.genievm.kvm.internal.nbd;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** The answer to a block status request: for each context runs of equal flags from the start of the request. */
final class BlockStatus {
    /** How many runs of a context are kept; what is behind them is asked for again. */
    static final int MOST_RUNS = 65536;

    private final Runs[] contexts;

    BlockStatus(int contexts) {
        this.contexts = new Runs[contexts];
    }

    /** Begins the runs of a context; {@code null} when it has had its chunk already. */
    @Nullable
    Runs begin(int context) {
        if (contexts[context] != null) {
            return null;
        }
        contexts[context] = new Runs();
        return contexts[context];
    }

    /** Whether every context has had its chunk. */
    boolean isComplete() {
        for (Runs runs : contexts) {
            if (runs == null) {
                return false;
            }
        }
        return true;
    }

    Runs of(int context) {
        return contexts[context];
    }

    /** Runs of one context, one behind the other. */
    static final class Runs {
        private long[] ends = new long[16];
        private int[] flags = new int[16];
        private int count;
        private boolean full;

        /** Adds a run up to an end, relative to the start of the request. */
        void add(long end, int flag) {
            if (full) {
                return;
            }
            if (count > 0 && flags[count - 1] == flag) {
                ends[count - 1] = end;
                return;
            }
            if (count == MOST_RUNS) {
                full = true;
                return;
            }
            if (count == ends.length) {
                ends = Arrays.copyOf(ends, 2 * count);
                flags = Arrays.copyOf(flags, 2 * count);
            }
            ends[count] = end;
            flags[count++] = flag;
        }

        int count() {
            return count;
        }

        long end(int run) {
            return ends[run];
        }

        int flags(int run) {
            return flags[run];
        }

        /** Up to where the runs tell something. */
        long covered() {
            return count == 0 ? 0 : ends[count - 1];
        }
    }
}
