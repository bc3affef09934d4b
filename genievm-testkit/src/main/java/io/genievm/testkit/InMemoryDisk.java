package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.hypervisor.DiskLimits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A disk of an {@link InMemoryVm}, as the guest sees it. Takes heap only for blocks of 64 KiB that were written, so it may
 * be terabytes large. Safe for use by several threads.
 *
 * @since 0.1
 */
public final class InMemoryDisk {
    private static final int BLOCK = 65_536;

    private final DiskId id;
    private final Object vmLock;
    // An array is never changed once it is in the map, so that a copy of the map is a frozen disk.
    private TreeMap<Long, byte[]> blocks = new TreeMap<>();
    private long capacity;
    private DiskLimits limits = DiskLimits.FILE;

    InMemoryDisk(DiskId id, long capacity, Object vmLock) {
        this.id = id;
        this.capacity = capacity;
        this.vmLock = vmLock;
    }

    /**
     * The disk's id.
     *
     * @return unique within its VM
     */
    public DiskId id() {
        return id;
    }

    /**
     * The disk's size.
     *
     * @return bytes, 0 or more
     */
    public long capacity() {
        synchronized (vmLock) {
            return capacity;
        }
    }

    /**
     * Makes the disk longer, by zeroes, or shorter.
     *
     * @param bytes its new size, 0 or more
     */
    public void resize(long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("a disk can not have " + bytes + " bytes");
        }
        synchronized (vmLock) {
            if (bytes < capacity) {
                zero(bytes, capacity - bytes);
            }
            capacity = bytes;
        }
    }

    /**
     * Sets what readers of later snapshots may be asked for.
     *
     * @param value the limits; {@link DiskLimits#FILE} unless set
     */
    public void limits(DiskLimits value) {
        synchronized (vmLock) {
            limits = value;
        }
    }

    /**
     * Writes as the guest does.
     *
     * @param offset the first byte
     * @param bytes what to write
     * @throws IllegalArgumentException when it does not fit the disk
     */
    public void write(long offset, byte[] bytes) {
        write(offset, bytes, 0, bytes.length);
    }

    /**
     * Makes a range read as zeroes, as a discard does: what lies in it is not allocated any more.
     *
     * @param offset the first byte
     * @param length bytes, 0 or more
     * @throws IllegalArgumentException when it does not fit the disk
     */
    public void zero(long offset, long length) {
        synchronized (vmLock) {
            requireInside(offset, length);
            long end = offset + length;
            long firstWhole = (offset + BLOCK - 1) / BLOCK;
            long behindWhole = end / BLOCK;
            if (firstWhole < behindWhole) {
                blocks.subMap(firstWhole, behindWhole).clear();
            }
            for (long block : new long[] {offset / BLOCK, end / BLOCK}) {
                byte[] old = blocks.get(block);
                if (old != null) {
                    byte[] changed = old.clone();
                    int from = (int) Math.max(0, offset - block * BLOCK);
                    int to = (int) Math.min(BLOCK, end - block * BLOCK);
                    if (from < to) {
                        Arrays.fill(changed, from, to, (byte) 0);
                        blocks.put(block, changed);
                    }
                }
            }
        }
    }

    /**
     * Reads as the guest does.
     *
     * @param offset the first byte
     * @param length bytes, 0 or more
     * @return the bytes
     * @throws IllegalArgumentException when the range does not lie inside the disk
     */
    public byte[] read(long offset, int length) {
        synchronized (vmLock) {
            requireInside(offset, length);
            byte[] bytes = new byte[length];
            copy(blocks, offset, bytes, 0, length);
            return bytes;
        }
    }

    /**
     * Reads the whole disk.
     *
     * @return all its bytes
     * @throws ArithmeticException when that is more than an array holds
     */
    public byte[] content() {
        synchronized (vmLock) {
            return read(0, Math.toIntExact(capacity));
        }
    }

    void write(long offset, byte[] bytes, int from, int length) {
        synchronized (vmLock) {
            requireInside(offset, length);
            int done = 0;
            while (done < length) {
                long block = (offset + done) / BLOCK;
                int at = (int) ((offset + done) % BLOCK);
                int count = Math.min(BLOCK - at, length - done);
                byte[] old = blocks.get(block);
                byte[] changed = old == null ? new byte[BLOCK] : old.clone();
                System.arraycopy(bytes, from + done, changed, at, count);
                blocks.put(block, changed);
                done += count;
            }
        }
    }

    /** The disk as it is now; the caller holds the VM's lock. */
    Frozen freeze() {
        return new Frozen(id, capacity, limits, new TreeMap<>(blocks));
    }

    private void requireInside(long offset, long length) {
        if (offset < 0 || length < 0 || offset > capacity - length) {
            throw new IllegalArgumentException("the range " + offset + "+" + length + " does not lie inside disk '" + id
                    + "' of " + capacity + " bytes");
        }
    }

    private static void copy(SortedMap<Long, byte[]> blocks, long offset, byte[] into, int start, int length) {
        int done = 0;
        while (done < length) {
            int at = (int) ((offset + done) % BLOCK);
            int count = Math.min(BLOCK - at, length - done);
            byte[] block = blocks.get((offset + done) / BLOCK);
            if (block != null) {
                System.arraycopy(block, at, into, start + done, count);
            }
            done += count;
        }
    }

    /** A disk at one moment. */
    record Frozen(DiskId id, long capacity, DiskLimits limits, SortedMap<Long, byte[]> blocks) {
        /** The ranges that were written and not discarded, neighbours merged. */
        List<Extent> allocated() {
            List<Extent> extents = new ArrayList<>();
            long start = 0;
            long end = 0;
            for (long block : blocks.keySet()) {
                if (block * BLOCK > end) {
                    add(extents, start, end);
                    start = block * BLOCK;
                }
                end = block * BLOCK + BLOCK;
            }
            add(extents, start, end);
            return extents;
        }

        /** Fills an array. */
        void read(long offset, byte[] into) {
            copy(blocks, offset, into, 0, into.length);
        }

        private void add(List<Extent> extents, long start, long end) {
            long cut = Math.min(end, capacity);
            if (cut > start) {
                extents.add(new Extent(start, cut - start));
            }
        }
    }
}
