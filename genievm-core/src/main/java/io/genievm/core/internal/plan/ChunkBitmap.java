package io.genievm.core.internal.plan;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.Arrays;

/** One bit for each chunk of a disk: 2 MiB per TiB of 64 KiB chunks. For one thread until it is filled, then for any. */
public final class ChunkBitmap {
    /** The most chunks of a disk. */
    public static final long MAX_CHUNKS = 1L << 36;

    private final long chunks;
    private final long[] words;

    /** Makes a bitmap without a bit set. */
    public ChunkBitmap(long chunks) {
        this.chunks = chunks;
        this.words = new long[Math.toIntExact((chunks + 63) / 64)];
    }

    /**
     * Folds extents into chunks, rounded outwards.
     *
     * @param extents ascending and disjoint; closed by the caller
     * @param capacity of the disk in bytes
     * @param grain in bytes: a chunk's size
     * @param resource whose extents they are, for messages
     * @throws GenieVmException with {@code DRIVER_CONTRACT_BROKEN} when the list breaks its rules
     */
    public static ChunkBitmap of(ExtentCursor extents, long capacity, int grain, Resource resource) {
        ChunkBitmap bitmap = new ChunkBitmap((capacity + grain - 1) / grain);
        long end = 0;
        while (extents.next()) {
            long offset = extents.offset();
            long length = extents.length();
            if (offset < end || length <= 0 || offset > capacity - length) {
                throw new GenieVmException(
                        ErrorCode.DRIVER_CONTRACT_BROKEN,
                        resource,
                        "the driver listed the extent " + offset + "+" + length + " after one that ends at " + end
                                + " on a disk of " + capacity + " bytes; extents must be ascending, disjoint and"
                                + " inside the disk");
            }
            end = offset + length;
            bitmap.set(offset / grain, (end - 1) / grain + 1);
        }
        return bitmap;
    }

    /** How many chunks there are. */
    public long chunks() {
        return chunks;
    }

    /** Sets the bits from one to another, which is not included. */
    public void set(long from, long to) {
        int first = (int) (from >> 6);
        int last = (int) (to - 1 >> 6);
        long firstMask = -1L << from;
        long lastMask = -1L >>> -to;
        if (first == last) {
            words[first] |= firstMask & lastMask;
        } else {
            words[first] |= firstMask;
            Arrays.fill(words, first + 1, last, -1L);
            words[last] |= lastMask;
        }
    }

    /** Widens what is set to blocks of so many chunks, a power of two. */
    public void widen(int block) {
        for (long chunk = nextSet(0); chunk >= 0; chunk = nextSet(chunk)) {
            long start = chunk & -(long) block;
            long end = Math.min(start + block, chunks);
            set(start, end);
            chunk = end;
            if (chunk >= chunks) {
                return;
            }
        }
    }

    /** The first set bit from one on, or -1. */
    public long nextSet(long from) {
        if (from >= chunks) {
            return -1;
        }
        int index = (int) (from >> 6);
        long word = words[index] & -1L << from;
        while (word == 0) {
            if (++index == words.length) {
                return -1;
            }
            word = words[index];
        }
        return ((long) index << 6) + Long.numberOfTrailingZeros(word);
    }

    /** The first bit from one on that is not set; {@code limit} if there is none before it. */
    public long nextClear(long from, long limit) {
        long end = Math.min(limit, chunks);
        if (from >= end) {
            return end;
        }
        int index = (int) (from >> 6);
        int last = (int) (end - 1 >> 6);
        long word = ~words[index] & -1L << from;
        while (word == 0) {
            if (++index > last) {
                return end;
            }
            word = ~words[index];
        }
        return Math.min(end, ((long) index << 6) + Long.numberOfTrailingZeros(word));
    }

    /** How many bits are set from one to another, which is not included. */
    public long count(long from, long to) {
        if (from >= to) {
            return 0;
        }
        int first = (int) (from >> 6);
        int last = (int) (to - 1 >> 6);
        long firstMask = -1L << from;
        long lastMask = -1L >>> -to;
        if (first == last) {
            return Long.bitCount(words[first] & firstMask & lastMask);
        }
        long count = Long.bitCount(words[first] & firstMask) + Long.bitCount(words[last] & lastMask);
        for (int index = first + 1; index < last; index++) {
            count += Long.bitCount(words[index]);
        }
        return count;
    }

    /** The range of bytes of a run of chunks. */
    public static Extent bytes(long first, long count, int grain, long capacity) {
        long offset = first * grain;
        return new Extent(offset, Math.min(count * grain, capacity - offset));
    }
}
