package io.genievm.core.internal.index;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentType;
import java.nio.ByteBuffer;
import java.util.Arrays;

/** Entries in memory, to be sorted. For one thread at a time. */
public final class EntryBuffer {
    static final int ENTRY = LocalTable.ENTRY;

    private byte[] entries;
    private int size;

    /** Makes a buffer that has room for so many without growing. */
    public EntryBuffer(int capacity) {
        entries = new byte[Math.max(capacity, 16) * ENTRY];
    }

    /** How many entries there are. */
    public int size() {
        return size;
    }

    /** Adds an entry. */
    public void add(byte[] id, int idOffset, int pack, int offset, int length, int position, SegmentType type) {
        ByteBuffer entry = ByteBuffer.wrap(room(), size++ * ENTRY, ENTRY);
        entry.put(id, idOffset, IdHasher.ID_BYTES)
                .putInt(pack)
                .putInt(offset)
                .putInt(length)
                .putShort((short) position)
                .put((byte) type.number())
                .put((byte) 0);
    }

    /** Adds an entry that has its form already. */
    void add(byte[] entry, int at) {
        System.arraycopy(entry, at, room(), size++ * ENTRY, ENTRY);
    }

    /** A copy of this buffer. */
    EntryBuffer copy() {
        EntryBuffer copy = new EntryBuffer(0);
        copy.entries = entries.clone();
        copy.size = size;
        return copy;
    }

    /** The entries, one after the other. */
    byte[] array() {
        return entries;
    }

    /** Empties the buffer. */
    public void clear() {
        size = 0;
    }

    /** Heap sort: in place, nothing allocated, no bad case. */
    void sort() {
        byte[] swap = new byte[ENTRY];
        for (int i = size / 2 - 1; i >= 0; i--) {
            sink(i, size, swap);
        }
        for (int end = size - 1; end > 0; end--) {
            swap(0, end, swap);
            sink(0, end, swap);
        }
    }

    private byte[] room() {
        if ((size + 1) * ENTRY > entries.length) {
            entries = Arrays.copyOf(entries, 2 * entries.length);
        }
        return entries;
    }

    private void sink(int start, int n, byte[] swap) {
        int parent = start;
        while (true) {
            int child = 2 * parent + 1;
            if (child >= n) {
                return;
            }
            if (child + 1 < n && compare(child, child + 1) < 0) {
                child++;
            }
            if (compare(parent, child) >= 0) {
                return;
            }
            swap(parent, child, swap);
            parent = child;
        }
    }

    private int compare(int a, int b) {
        return Arrays.compareUnsigned(entries, a * ENTRY, (a + 1) * ENTRY, entries, b * ENTRY, (b + 1) * ENTRY);
    }

    private void swap(int a, int b, byte[] swap) {
        System.arraycopy(entries, a * ENTRY, swap, 0, ENTRY);
        System.arraycopy(entries, b * ENTRY, entries, a * ENTRY, ENTRY);
        System.arraycopy(swap, 0, entries, b * ENTRY, ENTRY);
    }
}
