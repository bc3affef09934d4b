package io.genievm.core.internal.index;

import io.genievm.api.CorruptDataException;
import io.genievm.api.RepositoryId;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.PackFormat;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.Segment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/** Finds out what is in a pack without an index. Safe for use by several threads. */
public final class PackFooters {
    private static final int FIRST_READ = 1 << 16;
    private static final int SCAN_BUFFER = 1 << 16;

    private final BlobStore store;

    /** Reads packs of a store. */
    public PackFooters(BlobStore store) {
        this.store = store;
    }

    /**
     * Tells the segments of a pack from its footer; where that is damaged, from the headers of the segments.
     *
     * @throws CorruptDataException when neither tells anything
     */
    public List<PackFormat.SegmentEntry> read(PackName name, long length) {
        try {
            return footer(name, length);
        } catch (CorruptDataException e) {
            List<PackFormat.SegmentEntry> found = walk(name.key(), length);
            if (found.isEmpty()) {
                throw e;
            }
            return found;
        }
    }

    /**
     * Tells the segments of a pack whose header and footer are right.
     *
     * @throws CorruptDataException when they are not, or the pack is another one
     */
    public List<PackFormat.SegmentEntry> readWhole(RepositoryId repository, PackName name, long length) {
        ByteBuffer header = ByteBuffer.allocate((int) Math.min(PackFormat.HEADER_BYTES, length));
        store.get(name.key(), 0, header);
        PackFormat.checkHeader(repository, name, header.flip());
        return footer(name, length);
    }

    /**
     * Tells how many bytes the segments of a pack have altogether, from its trailer only.
     *
     * @throws CorruptDataException when that is damaged
     */
    public long segmentBytes(PackName name, long length) {
        if (length < PackFormat.HEADER_BYTES + PackFormat.TRAILER_BYTES) {
            throw Corruption.in(name.key(), "a pack of " + length + " bytes");
        }
        ByteBuffer trailer = ByteBuffer.allocate(PackFormat.TRAILER_BYTES);
        store.get(name.key(), length - PackFormat.TRAILER_BYTES, trailer);
        return (long) PackFormat.footerOffset(name.key(), trailer.flip(), length) - PackFormat.HEADER_BYTES;
    }

    /** Tells the segments of a pack from its footer only. */
    public List<PackFormat.SegmentEntry> footer(PackName name, long length) {
        String key = name.key();
        int tail = (int) Math.min(FIRST_READ, length);
        ByteBuffer end = ByteBuffer.allocate(Math.max(tail, PackFormat.TRAILER_BYTES));
        if (length < PackFormat.HEADER_BYTES + PackFormat.TRAILER_BYTES) {
            throw Corruption.in(key, "a pack of " + length + " bytes");
        }
        store.get(key, length - tail, end);
        int footer = PackFormat.footerOffset(
                key, end.slice(tail - PackFormat.TRAILER_BYTES, PackFormat.TRAILER_BYTES), length);
        byte[] bytes = new byte[(int) (length - PackFormat.TRAILER_BYTES - footer)];
        if (footer >= length - tail) {
            end.get((int) (footer - (length - tail)), bytes);
        } else {
            store.get(key, footer, ByteBuffer.wrap(bytes));
        }
        return PackFormat.footer(key, bytes, footer);
    }

    /** Walks the headers of the segments, and over what is damaged to the next one that is whole. */
    private List<PackFormat.SegmentEntry> walk(String key, long length) {
        List<PackFormat.SegmentEntry> found = new ArrayList<>();
        long position = Math.min(PackFormat.HEADER_BYTES, length);
        boolean inStep = true;
        while (position + Segment.headerLength(1) <= length) {
            PackFormat.SegmentEntry entry = headerAt(key, position, length);
            // Out of step this may be the header of a segment inside another's data, as disks may hold repositories;
            // one
            // that is whole does no harm, and any other must not lead over headers that are this pack's own.
            if (entry != null && (inStep || isPayloadRight(key, entry))) {
                found.add(entry);
                position += entry.length();
            } else {
                inStep = false;
                position = nextMagic(key, position + 1, length);
            }
        }
        return found;
    }

    private boolean isPayloadRight(String key, PackFormat.SegmentEntry entry) {
        ByteBuffer buffer = ByteBuffer.allocate(SCAN_BUFFER);
        store.get(key, entry.offset() + Segment.PAYLOAD_CHECKSUM, buffer.limit(Integer.BYTES));
        int expected = buffer.getInt(0);
        CRC32C crc = new CRC32C();
        long end = (long) entry.offset() + entry.length();
        for (long position = (long) entry.offset() + Segment.headerLength(entry.count()); position < end; ) {
            buffer.clear().limit((int) Math.min(SCAN_BUFFER, end - position));
            store.get(key, position, buffer);
            crc.update(buffer.flip());
            position += buffer.limit();
        }
        return (int) crc.getValue() == expected;
    }

    private PackFormat.@Nullable SegmentEntry headerAt(String key, long position, long length) {
        try {
            ByteBuffer fixed = ByteBuffer.allocate(24);
            store.get(key, position, fixed);
            fixed.flip();
            int segment = Segment.peekLength(key, fixed);
            if (position + segment > length) {
                return null;
            }
            ByteBuffer header = ByteBuffer.allocate(Segment.headerLength(fixed.getShort(6) & 0xffff));
            store.get(key, position, header);
            return Segment.readHeader(key, header.array(), (int) position, segment);
        } catch (CorruptDataException e) {
            return null;
        }
    }

    private long nextMagic(String key, long from, long length) {
        ByteBuffer buffer = ByteBuffer.allocate(SCAN_BUFFER);
        for (long position = from; position + 4 <= length; position += SCAN_BUFFER - 3) {
            buffer.clear().limit((int) Math.min(SCAN_BUFFER, length - position));
            store.get(key, position, buffer);
            for (int i = 0; i + 4 <= buffer.limit(); i++) {
                if (Segment.isMagic(buffer.getInt(i))) {
                    return position + i;
                }
            }
        }
        return length;
    }
}
