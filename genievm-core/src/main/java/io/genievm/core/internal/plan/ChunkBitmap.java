package io.genievm.core.internal.plan;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** One bit for each chunk of a disk: 2 MiB per TiB of 64 KiB chunks. For one thread until it is filled, then for any. */
public final class ChunkBitmap {
    /** The most chunks of a disk. */
    public static final long MAX_CHUNKS = 1L << 36;

    private static final int SECTOR = 512;
    private static final long MIN_LIMIT = 1 << 20;

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
     * @param checkpoint throws when the list is not wanted any more; asked now and then
     * @throws GenieVmException with {@code DRIVER_CONTRACT_BROKEN} when the list breaks its rules
     */
    public static ChunkBitmap of(
            ExtentCursor extents, long capacity, int grain, Resource resource, Runnable checkpoint) {
        ChunkBitmap bitmap = new ChunkBitmap((capacity + grain - 1) / grain);
        long most = Math.max(MIN_LIMIT, capacity / SECTOR + 1);
        long count = 0;
        long end = 0;
        while (extents.next()) {
            if ((++count & 0xfff) == 0) {
                checkpoint.run();
            }
            if (count > most) {
                throw new GenieVmException(
                        ErrorCode.DRIVER_CONTRACT_BROKEN,
                        resource,
                        "the driver listed more than " + most + " extents of a disk of " + capacity
                                + " bytes, more than it has sectors");
            }
            long offset = extents.offset();
            long length = extents.length();
            if (offset < end || length <= 0 || length > capacity || offset > capacity - length) {
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

    /** Makes a bitmap with all bits set. */
    public static ChunkBitmap full(long chunks) {
        ChunkBitmap bitmap = new ChunkBitmap(chunks);
        if (chunks > 0) {
            bitmap.set(0, chunks);
        }
        return bitmap;
    }

    /** A bitmap of its own with the bits that are set in both. */
    public ChunkBitmap and(ChunkBitmap other) {
        ChunkBitmap both = new ChunkBitmap(chunks);
        for (int i = 0; i < words.length; i++) {
            both.words[i] = words[i] & other.words[i];
        }
        return both;
    }

    /** A bitmap of its own with the bits that are set here and not there. */
    public ChunkBitmap without(ChunkBitmap other) {
        ChunkBitmap rest = new ChunkBitmap(chunks);
        for (int i = 0; i < words.length; i++) {
            rest.words[i] = words[i] & ~other.words[i];
        }
        return rest;
    }

    /** Whether a bit is set. */
    public boolean get(long chunk) {
        return (words[(int) (chunk >> 6)] >>> chunk & 1) != 0;
    }

    /** How many bits are set. */
    public long count() {
        return count(0, chunks);
    }

    /** Bytes of the chunks that are set, of a disk of a capacity. */
    public long bytes(int grain, long capacity) {
        long bytes = count() * grain;
        return chunks > 0 && get(chunks - 1) ? bytes - (chunks * grain - capacity) : bytes;
    }

    /** The ranges of bytes that are set: at most so many, for which neighbours are merged, the nearest first. */
    public List<Extent> extents(int most, int grain, long capacity) {
        List<Extent> extents = extents(0, most, grain, capacity);
        for (long gap = 1; extents.size() > most; gap *= 2) {
            extents = extents(gap, most, grain, capacity);
        }
        return extents;
    }

    private List<Extent> extents(long gap, int most, int grain, long capacity) {
        List<Extent> extents = new ArrayList<>();
        long first = nextSet(0);
        while (first >= 0 && extents.size() <= most) {
            long end = nextClear(first, chunks);
            long next = nextSet(end);
            while (next >= 0 && next - end <= gap) {
                end = nextClear(next, chunks);
                next = nextSet(end);
            }
            extents.add(bytes(first, end - first, grain, capacity));
            first = next;
        }
        return List.copyOf(extents);
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
        long count = (long) Long.bitCount(words[first] & firstMask) + Long.bitCount(words[last] & lastMask);
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
