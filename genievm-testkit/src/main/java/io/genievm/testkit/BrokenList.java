package io.genievm.testkit;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Ways in which a list of extents breaks the rules of {@link ExtentCursor}. An empty list is given as it is: there is
 * nothing to break.
 *
 * @since 0.1
 */
public enum BrokenList {
    /**
     * The extents come in descending order. A single one comes as two halves, the second one first; a single one of 1
     * byte comes as it is.
     */
    UNSORTED {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> reversed = new ArrayList<>(list);
            if (list.size() == 1 && list.get(0).length() > 1) {
                Range whole = list.get(0);
                long half = whole.length() / 2;
                reversed = new ArrayList<>(List.of(
                        new Range(whole.offset(), half), new Range(whole.offset() + half, whole.length() - half)));
            }
            Collections.reverse(reversed);
            return each(reversed);
        }
    },
    /** The last byte of the first extent comes again, as an extent of its own behind it. */
    OVERLAPPING {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            Range first = list.get(0);
            List<Range> overlapping = new ArrayList<>(list);
            overlapping.add(1, new Range(first.offset() + first.length() - 1, 1));
            return each(overlapping);
        }
    },
    /** The last extent ends 1 byte behind the end of the disk. */
    PAST_END {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> longer = new ArrayList<>(list);
            Range last = longer.remove(list.size() - 1);
            longer.add(new Range(last.offset(), capacity + 1 - last.offset()));
            return each(longer);
        }
    },
    /** An extent of 0 bytes stands before the first one, at the same offset. */
    EMPTY_EXTENT {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> more = new ArrayList<>(list);
            more.add(0, new Range(list.get(0).offset(), 0));
            return each(more);
        }
    },
    /** The first extent begins 1 byte before the disk; its end is right. */
    NEGATIVE_OFFSET {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> changed = new ArrayList<>(list);
            Range first = changed.remove(0);
            changed.add(0, new Range(-1, first.offset() + first.length() + 1));
            return each(changed);
        }
    },
    /** The last extent has its length with a minus sign. */
    NEGATIVE_LENGTH {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> changed = new ArrayList<>(list);
            Range last = changed.remove(list.size() - 1);
            changed.add(new Range(last.offset(), -last.length()));
            return each(changed);
        }
    },
    /** The last extent has {@link Long#MAX_VALUE} bytes, so that its end overflows unless it begins at 0. */
    OVERFLOWING {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            List<Range> changed = new ArrayList<>(list);
            Range last = changed.remove(list.size() - 1);
            changed.add(new Range(last.offset(), Long.MAX_VALUE));
            return each(changed);
        }
    },
    /** The last extent comes again and again. */
    ENDLESS_REPETITION {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            return index -> list.get((int) Math.min(index, list.size() - 1));
        }
    },
    /**
     * Extents of 1 byte at the offsets 0, 2, 4 and so on, also behind the end of the disk, for as long as there are such
     * numbers: longer than anybody waits. Up to the end of the disk they keep the rules.
     */
    ENDLESS_ASCENT {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            return index -> index > Long.MAX_VALUE / 2 ? null : new Range(index * 2, 1);
        }
    },
    /** After the first half of the extents (of a single one: after it) {@code next()} fails with {@code IO_ERROR}. */
    FAILS_MIDWAY {
        @Override
        LongFunction<@Nullable Range> ranges(List<Range> list, long capacity) {
            int half = (list.size() + 1) / 2;
            return index -> {
                if (index >= half) {
                    throw new GenieVmException(ErrorCode.IO_ERROR, "the list breaks off, as it was told to");
                }
                return list.get((int) index);
            };
        }
    };

    /** The range at a place of the list, null behind its end. */
    abstract LongFunction<@Nullable Range> ranges(List<Range> list, long capacity);

    /** A cursor over a list, broken unless the list is empty. */
    ExtentCursor cursor(List<Extent> truth, long capacity) {
        if (truth.isEmpty()) {
            return ExtentCursor.of(truth);
        }
        return new Cursor(ranges(
                truth.stream()
                        .map(extent -> new Range(extent.offset(), extent.length()))
                        .toList(),
                capacity));
    }

    /** Whether the cursor over a list breaks a rule. */
    boolean breaks(List<Extent> truth) {
        return !truth.isEmpty()
                && (this != UNSORTED || truth.size() > 1 || truth.get(0).length() > 1);
    }

    private static LongFunction<@Nullable Range> each(List<Range> list) {
        return index -> index < list.size() ? list.get((int) index) : null;
    }

    /** An extent that need not be one. */
    record Range(long offset, long length) {}

    private static final class Cursor implements ExtentCursor {
        private final LongFunction<@Nullable Range> ranges;
        private long index;
        private @Nullable Range current;

        Cursor(LongFunction<@Nullable Range> ranges) {
            this.ranges = ranges;
        }

        @Override
        public boolean next() {
            current = null;
            current = ranges.apply(index);
            index++;
            return current != null;
        }

        @Override
        public long offset() {
            return current().offset();
        }

        @Override
        public long length() {
            return current().length();
        }

        @Override
        public void close() {}

        private Range current() {
            if (current == null) {
                throw new IllegalStateException("the cursor stands on no extent");
            }
            return current;
        }
    }
}
