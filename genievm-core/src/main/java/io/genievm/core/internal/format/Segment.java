package io.genievm.core.internal.format;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/**
 * Reads segments, one after the other, into arrays that are kept. For one thread at a time.
 *
 * <p>{@link #open} checks both checksums and decodes; the ids are checked against the content by {@link #checkEntry}.
 */
public final class Segment implements AutoCloseable {
    /** The most entries of a segment. */
    public static final int MAX_COUNT = 65535;

    /** Where the checksum of the payload stands in a segment. */
    public static final int PAYLOAD_CHECKSUM = 16;

    static final int MAGIC = 0x47534547;

    private static final int FIXED_HEADER = 24;
    private static final int ENTRY = IdHasher.ID_BYTES + 4;

    private final int chunkSize;
    private final int segmentSize;
    private final int maxRaw;
    private final CRC32C crc = new CRC32C();
    private final IdHasher hasher = new IdHasher();
    private final byte[] computedId = new byte[IdHasher.ID_BYTES];
    private final Decompressor decompressor = new Decompressor();

    private byte[] bytes = new byte[0];
    private byte[] decoded = new byte[0];
    private byte[] content = bytes;
    private int contentStart;
    private SegmentType type = SegmentType.CHUNKS;
    private int count;
    private int[] offsets = new int[1];
    private String where = "";

    /** Makes a reader for the segments of a repository. */
    public Segment(int chunkSize, int segmentSize) {
        this.chunkSize = chunkSize;
        this.segmentSize = segmentSize;
        this.maxRaw = Math.max(segmentSize, SegmentType.MAX_PAGE_BYTES);
    }

    /** About the most memory that a reader takes, in bytes, with what the platform takes to fill it. */
    public static long memory(int segmentSize) {
        return 4L * Math.max(segmentSize, SegmentType.MAX_PAGE_BYTES) + (1 << 18);
    }

    /** Bytes before the payload. */
    public static int headerLength(int count) {
        return FIXED_HEADER + count * ENTRY + 4;
    }

    /** The most bytes of a segment of such a repository, for bounding what is read. */
    public int maxLength() {
        return headerLength(MAX_COUNT) + maxRaw;
    }

    /** An array of at least this length, to read the next segment into. */
    public byte[] buffer(int length) {
        if (bytes.length < length) {
            bytes = new byte[Math.max(length, Math.min(2 * bytes.length, maxLength()))];
        }
        return bytes;
    }

    /**
     * The length of the segment whose fixed header stands at the buffer's position; throws for what is no header. Needs
     * the first 24 bytes only, so nothing is checked yet but their plausibility.
     */
    public static int peekLength(String where, ByteBuffer buffer) {
        int start = buffer.position();
        int count = buffer.getShort(start + 6) & 0xffff;
        int stored = buffer.getInt(start + 12);
        if (buffer.getInt(start) != MAGIC || count == 0 || stored < 0) {
            throw Corruption.in(where, "there is no segment");
        }
        long length = (long) headerLength(count) + stored;
        if (length > Integer.MAX_VALUE) {
            throw Corruption.in(where, "a segment of " + length + " bytes");
        }
        return (int) length;
    }

    /** Whether a number is what every segment begins with. */
    public static boolean isMagic(int number) {
        return number == MAGIC;
    }

    /**
     * Reads the header of a segment, which fills the array.
     *
     * @param where pack, for messages
     * @param header the header's bytes
     * @param offset where the segment begins in its pack
     * @param length the segment's length, from {@link #peekLength}
     */
    public static PackFormat.SegmentEntry readHeader(String where, byte[] header, int offset, int length) {
        ByteBuffer buffer = ByteBuffer.wrap(header);
        CRC32C crc = new CRC32C();
        crc.update(header, 0, header.length - 4);
        if ((int) crc.getValue() != buffer.getInt(header.length - 4)) {
            throw Corruption.in(where, "the checksum of the segment's header is wrong");
        }
        int count = buffer.getShort(6) & 0xffff;
        byte[] ids = new byte[count * IdHasher.ID_BYTES];
        for (int i = 0; i < count; i++) {
            buffer.get(FIXED_HEADER + i * ENTRY, ids, i * IdHasher.ID_BYTES, IdHasher.ID_BYTES);
        }
        return new PackFormat.SegmentEntry(offset, length, SegmentType.of(where, buffer.get(4)), ids);
    }

    /**
     * Checks and decodes the segment that fills the first {@code length} bytes of {@link #buffer}.
     *
     * @param place pack and offset, for messages
     */
    public void open(String place, int length) {
        where = place;
        ByteBuffer buffer = ByteBuffer.wrap(bytes, 0, length);
        if (length < FIXED_HEADER + 4 || peekLength(place, buffer) != length) {
            throw Corruption.in(place, "the segment's length is not " + length);
        }
        count = buffer.getShort(6) & 0xffff;
        int header = headerLength(count);
        if (crcOf(0, header - 4) != buffer.getInt(header - 4)) {
            throw Corruption.in(place, "the checksum of the segment's header is wrong");
        }
        int stored = buffer.getInt(12);
        if (crcOf(header, stored) != buffer.getInt(PAYLOAD_CHECKSUM)) {
            throw Corruption.in(place, "the checksum of the segment's data is wrong");
        }
        type = SegmentType.of(place, buffer.get(4));
        if (buffer.getInt(20) != 0) {
            throw Corruption.in(place, "a reserved field is not zero");
        }
        readEntries(buffer);
        decode(buffer.get(5), header, stored, buffer.getInt(8));
    }

    /** What the open segment holds. */
    public SegmentType type() {
        return type;
    }

    /** How many entries the open segment has. */
    public int count() {
        return count;
    }

    /** The array that holds the content of the open segment's entries. */
    public byte[] content() {
        return content;
    }

    /** Where an entry's content begins in {@link #content()}. */
    public int contentOffset(int entry) {
        return contentStart + offsets[entry];
    }

    /** Bytes of an entry's content. */
    public int contentLength(int entry) {
        return offsets[entry + 1] - offsets[entry];
    }

    /** The array that holds an entry's id, at {@link #idOffset}. */
    public byte[] ids() {
        return bytes;
    }

    /** Where an entry's id begins in {@link #ids()}. */
    public int idOffset(int entry) {
        return FIXED_HEADER + entry * ENTRY;
    }

    /** Whether an entry bears the id at an offset of an array and its content has that id. */
    public boolean checkEntry(int entry, byte[] id, int idOffset) {
        return entry < count && IdHasher.equal(bytes, idOffset(entry), id, idOffset) && checkContent(entry);
    }

    /** Whether an entry's content has the id that the segment says. */
    public boolean checkContent(int entry) {
        type.hash(hasher, content, contentOffset(entry), contentLength(entry), computedId, 0);
        return IdHasher.equal(computedId, 0, bytes, idOffset(entry));
    }

    @Override
    public void close() {
        decompressor.close();
    }

    private int crcOf(int offset, int length) {
        crc.reset();
        crc.update(bytes, offset, length);
        return (int) crc.getValue();
    }

    private void readEntries(ByteBuffer buffer) {
        if (offsets.length < count + 1) {
            offsets = new int[count + 1];
        }
        int most = type == SegmentType.CHUNKS ? segmentSize : SegmentType.MAX_PAGE_BYTES;
        long total = 0;
        for (int i = 0; i < count; i++) {
            int length = buffer.getInt(idOffset(i) + IdHasher.ID_BYTES);
            if (length <= 0 || type == SegmentType.CHUNKS && length != chunkSize) {
                throw Corruption.in(where, "entry " + i + " of the segment has " + length + " bytes");
            }
            offsets[i] = (int) total;
            total += length;
            if (total > most) {
                throw Corruption.in(where, "the segment holds more than " + most + " bytes");
            }
        }
        offsets[count] = (int) total;
        if (total != buffer.getInt(8)) {
            throw Corruption.in(where, "the lengths of the segment's entries do not add up");
        }
    }

    private void decode(int codec, int payload, int stored, int rawLength) {
        if (codec == Compressor.NONE) {
            if (stored != rawLength) {
                throw Corruption.in(where, "a raw segment whose lengths differ");
            }
            content = bytes;
            contentStart = payload;
            return;
        }
        if (decoded.length < rawLength) {
            decoded = new byte[maxRaw];
        }
        content = decoded;
        contentStart = 0;
        if (!Decompressor.knows(codec)) {
            throw Corruption.in(where, "a segment with unknown codec " + codec);
        }
        int length;
        try {
            length = decompressor.decode(codec, bytes, payload, stored, content, rawLength);
        } catch (Decompressor.UndecodableException e) {
            throw Corruption.in(where, "the segment can not be decompressed: " + e.getMessage(), e);
        }
        if (length != rawLength) {
            throw Corruption.in(where, "the segment decompresses to " + length + " bytes, not " + rawLength);
        }
    }
}
