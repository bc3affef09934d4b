package io.genievm.core.internal.index;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.work.HeapSort;
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

    /** The entries, one after the other. */
    byte[] array() {
        return entries;
    }

    /** Empties the buffer. */
    public void clear() {
        size = 0;
    }

    /** Sorts the entries. */
    void sort() {
        byte[] spare = new byte[ENTRY];
        HeapSort.sort(
                new HeapSort.Records() {
                    @Override
                    public int compare(int a, int b) {
                        return Arrays.compareUnsigned(
                                entries, a * ENTRY, (a + 1) * ENTRY, entries, b * ENTRY, (b + 1) * ENTRY);
                    }

                    @Override
                    public void swap(int a, int b) {
                        System.arraycopy(entries, a * ENTRY, spare, 0, ENTRY);
                        System.arraycopy(entries, b * ENTRY, entries, a * ENTRY, ENTRY);
                        System.arraycopy(spare, 0, entries, b * ENTRY, ENTRY);
                    }
                },
                size);
    }

    private byte[] room() {
        if ((size + 1) * ENTRY > entries.length) {
            entries = Arrays.copyOf(entries, 2 * entries.length);
        }
        return entries;
    }
}
