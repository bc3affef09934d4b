package io.genievm.kvm.internal.nbd;

import io.genievm.api.hypervisor.ExtentCursor;
import java.util.Arrays;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * What the metadata contexts of an export say of it: ranges without gaps, in each of which no context changes. For one
 * thread at a time; it asks the server while it is pulled, and keeps one answer.
 */
public final class NbdStatusCursor implements ExtentCursor {
    /** A flag of {@code base:allocation}: the range takes no space. */
    public static final int HOLE = 1;
    /** A flag of {@code base:allocation}: the range reads as zeroes. */
    public static final int ZERO = 1 << 1;
    /** The flag of the {@code qemu:dirty-bitmap} contexts: something was written there. */
    public static final int DIRTY = 1;

    private static final long LONGEST_REQUEST = 1L << 31;
    /** How many answers one range is put together from, so that a call ends whatever the server does. */
    private static final int MOST_ANSWERS = 256;
    /** An answer that tells less than this, and less than was asked for, is of little use; so many are borne. */
    private static final int LITTLE = 4096;

    private static final int MOST_LITTLE_ANSWERS = 65536;

    private final NbdConnection connection;
    private final int contexts;
    private final long end;

    private @Nullable BlockStatus answer;
    private long answerStart;
    private final int[] runs;
    private int littleAnswers;

    /** Where the next range begins. */
    private long position;

    private long offset;
    private long length;
    private final int[] flags;
    private final int[] nextFlags;

    NbdStatusCursor(NbdConnection connection, long offset, long length) {
        this.connection = connection;
        contexts = connection.export().contexts().size();
        position = offset;
        end = offset + length;
        runs = new int[contexts];
        flags = new int[contexts];
        nextFlags = new int[contexts];
    }

    @Override
    public boolean next() {
        length = 0;
        offset = position;
        int answers = 0;
        while (position < end) {
            BlockStatus current = answer;
            if (current == null) {
                if (answers++ == MOST_ANSWERS) {
                    break;
                }
                current = ask();
            }
            long until = runEnd(current);
            if (length == 0) {
                System.arraycopy(nextFlags, 0, flags, 0, contexts);
            } else if (!Arrays.equals(flags, nextFlags)) {
                break;
            }
            position = Math.min(until, end);
            length = position - offset;
            advance(current);
        }
        return length > 0;
    }

    private BlockStatus ask() {
        long block = connection.export().minimumBlock();
        long size = connection.export().size();
        long start = position - position % block;
        long wanted = Math.min(LONGEST_REQUEST, Math.min(size, end + (block - end % block) % block) - start);
        BlockStatus status = connection.blockStatus(start, wanted);
        long covered = Long.MAX_VALUE;
        for (int context = 0; context < contexts; context++) {
            covered = Math.min(covered, status.of(context).covered());
        }
        if (start + covered <= position) {
            throw connection.broken("a block status of less than one block");
        }
        if (covered < Math.min(wanted, LITTLE) && ++littleAnswers > MOST_LITTLE_ANSWERS) {
            throw connection.broken("block status in crumbs, without end");
        }
        answer = status;
        answerStart = start;
        Arrays.fill(runs, 0);
        // The part before the position, which was only asked for to begin at a block, is passed over.
        skipTo(status);
        return status;
    }

    private void skipTo(BlockStatus status) {
        for (int context = 0; context < contexts; context++) {
            while (answerStart + status.of(context).end(runs[context]) <= position) {
                runs[context]++;
            }
        }
    }

    /** Sets the flags of the run at the position, and says where the first of the contexts changes. */
    private long runEnd(BlockStatus status) {
        long first = Long.MAX_VALUE;
        for (int context = 0; context < contexts; context++) {
            BlockStatus.Runs all = status.of(context);
            nextFlags[context] = all.flags(runs[context]);
            first = Math.min(first, answerStart + all.end(runs[context]));
        }
        return first;
    }

    private void advance(BlockStatus status) {
        for (int context = 0; context < contexts; context++) {
            BlockStatus.Runs all = status.of(context);
            if (answerStart + all.end(runs[context]) <= position && ++runs[context] == all.count()) {
                // One context has told all it has; the others are asked again from here.
                answer = null;
            }
        }
    }

    @Override
    public long offset() {
        return check(offset);
    }

    @Override
    public long length() {
        return check(length);
    }

    /**
     * The flags of a context for the current range.
     *
     * @param context its place in {@link NbdExport#contexts()}
     */
    public int flags(int context) {
        return (int) check(flags[context]);
    }

    private long check(long value) {
        if (length == 0) {
            throw new IllegalStateException("the cursor stands on no extent");
        }
        return value;
    }

    /** Only the ranges whose flags in one context are of the wanted kind, put together where they touch. */
    public ExtentCursor where(String context, IntPredicate wanted) {
        int index = connection.export().contexts().indexOf(context);
        if (index < 0) {
            throw new IllegalArgumentException("the context is not selected: " + context);
        }
        return new Filtered(this, () -> wanted.test(flags(index)));
    }

    /** Does nothing: it holds nothing but memory. The connection is its owner's. */
    @Override
    public void close() {}

    private interface Test {
        boolean isWanted();
    }

    private static final class Filtered implements ExtentCursor {
        private final NbdStatusCursor source;
        private final Test test;
        /** Whether the source stands on a wanted range that has not been given out. */
        private boolean ahead;

        private long offset;
        private long length;

        private Filtered(NbdStatusCursor source, Test test) {
            this.source = source;
            this.test = test;
        }

        @Override
        public boolean next() {
            length = 0;
            while (!ahead && source.next()) {
                ahead = test.isWanted();
            }
            if (!ahead) {
                return false;
            }
            offset = source.offset();
            do {
                length += source.length();
                ahead = source.next() && test.isWanted();
            } while (ahead && source.offset() == offset + length);
            return true;
        }

        @Override
        public long offset() {
            return check(offset);
        }

        @Override
        public long length() {
            return check(length);
        }

        private long check(long value) {
            if (length == 0) {
                throw new IllegalStateException("the cursor stands on no extent");
            }
            return value;
        }

        @Override
        public void close() {
            source.close();
        }
    }
}
