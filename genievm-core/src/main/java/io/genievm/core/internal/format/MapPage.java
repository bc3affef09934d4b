package io.genievm.core.internal.format;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** One page of a chunk map: 1 024 ids at fixed positions. For one thread at a time. */
public final class MapPage {
    /** Entries of a page. */
    public static final int FAN_OUT = 1024;
    /** The most bytes of an encoded page. */
    public static final int MAX_BYTES = 4 + FAN_OUT / 8 + FAN_OUT * IdHasher.ID_BYTES;

    /** A page of the lowest level whose entries are all null. Nobody changes it. */
    public static final MapPage EMPTY = new MapPage(0);

    private static final int HEADER = 4 + FAN_OUT / 8;

    private final int level;
    private final byte[] ids = new byte[FAN_OUT * IdHasher.ID_BYTES];

    /** Makes a page whose entries are all null. */
    public MapPage(int level) {
        this.level = level;
    }

    /** How many levels of pages a disk of so many chunks has. */
    public static int height(long chunks) {
        if (chunks == 0) {
            return 0;
        }
        int height = 1;
        for (long left = (chunks - 1) / FAN_OUT; left > 0; left /= FAN_OUT) {
            height++;
        }
        return height;
    }

    /** How many chunks lie below a page of a level. */
    public static long chunks(int level) {
        long chunks = FAN_OUT;
        for (int i = 0; i < level; i++) {
            chunks *= FAN_OUT;
        }
        return chunks;
    }

    /** The page's level; 0 holds ids of chunks. */
    public int level() {
        return level;
    }

    /** The array of ids, entry after entry; changes are the page's. */
    public byte[] ids() {
        return ids;
    }

    /** Where an entry's id begins in {@link #ids()}. */
    public static int offset(int entry) {
        return entry * IdHasher.ID_BYTES;
    }

    /** Whether an entry is null. */
    public boolean isNull(int entry) {
        return IdHasher.isNull(ids, offset(entry));
    }

    /** Writes the page's bytes and gives their number; 0 for a page whose entries are all null. */
    public int encode(byte[] target) {
        int position = HEADER;
        int count = 0;
        Arrays.fill(target, 0, HEADER, (byte) 0);
        for (int entry = 0; entry < FAN_OUT; entry++) {
            if (!isNull(entry)) {
                System.arraycopy(ids, offset(entry), target, position, IdHasher.ID_BYTES);
                position += IdHasher.ID_BYTES;
                target[4 + (entry >> 3)] |= (byte) (1 << (entry & 7));
                count++;
            }
        }
        target[0] = (byte) level;
        target[2] = (byte) (count >> 8);
        target[3] = (byte) count;
        return count == 0 ? 0 : position;
    }

    /** Reads a page's bytes. */
    public static MapPage decode(String key, ByteBuffer bytes) {
        if (bytes.remaining() < HEADER) {
            throw Corruption.in(key, "a map page of " + bytes.remaining() + " bytes");
        }
        int start = bytes.position();
        MapPage page = new MapPage(bytes.get(start) & 0xff);
        int count = bytes.getShort(start + 2) & 0xffff;
        if (bytes.get(start + 1) != 0 || count == 0 || bytes.remaining() != HEADER + count * IdHasher.ID_BYTES) {
            throw Corruption.in(key, "a map page whose length does not fit its header");
        }
        int position = start + HEADER;
        for (int entry = 0; entry < FAN_OUT; entry++) {
            if ((bytes.get(start + 4 + (entry >> 3)) >> (entry & 7) & 1) != 0) {
                if (position == bytes.limit()) {
                    throw Corruption.in(key, "a map page with more entries than it says");
                }
                bytes.get(position, page.ids, offset(entry), IdHasher.ID_BYTES);
                position += IdHasher.ID_BYTES;
                if (page.isNull(entry)) {
                    throw Corruption.in(key, "a map page that holds a null id");
                }
            }
        }
        if (position != bytes.limit()) {
            throw Corruption.in(key, "a map page with fewer entries than it says");
        }
        return page;
    }
}
