package io.genievm.core.internal.format;

import io.genievm.api.RepositoryId;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

/** Header, footer and trailer of packs. */
public final class PackFormat {
    /** Bytes of the header. */
    public static final int HEADER_BYTES = 56;
    /** Bytes of the trailer. */
    public static final int TRAILER_BYTES = 24;

    private static final long HEADER_MAGIC = 0x47564D5041434B0AL;
    private static final long FOOTER_MAGIC = 0x47564D50464F4F54L;
    private static final int TRAILER_MAGIC = 0x47454E44;
    private static final int FOOTER_ENTRY = 12;

    private PackFormat() {}

    /** The bytes of a pack's header. */
    public static byte[] header(RepositoryId repository, PackName name) {
        ByteBuffer buffer = ByteBuffer.allocate(HEADER_BYTES);
        buffer.putLong(HEADER_MAGIC)
                .putShort((short) FormatVersion.CURRENT)
                .putShort((short) 0)
                .putInt(HEADER_BYTES)
                .put(HexFormat.of().parseHex(repository.value()));
        name.write(buffer);
        buffer.putInt(crc(buffer.array(), 0, HEADER_BYTES - 4));
        return buffer.array();
    }

    /** Checks the first bytes of a pack. */
    public static void checkHeader(RepositoryId repository, PackName name, ByteBuffer buffer) {
        String key = name.key();
        if (buffer.remaining() < HEADER_BYTES || buffer.getLong(0) != HEADER_MAGIC) {
            throw Corruption.in(key, "it does not begin like a pack");
        }
        byte[] bytes = new byte[HEADER_BYTES];
        buffer.get(0, bytes);
        if (crc(bytes, 0, HEADER_BYTES - 4) != buffer.getInt(HEADER_BYTES - 4)) {
            throw Corruption.in(key, "the checksum of its header is wrong");
        }
        Corruption.checkVersion(key, buffer.getShort(8) & 0xffff);
        if (buffer.getShort(10) != 0 || buffer.getInt(12) != HEADER_BYTES) {
            throw Corruption.in(key, "its header has flags of no known meaning");
        }
        String found = HexFormat.of().formatHex(bytes, 16, 32);
        if (!found.equals(repository.value())) {
            throw Corruption.in(key, "it belongs to repository " + found + ", not to " + repository);
        }
        buffer.position(32);
        PackName written = PackName.read(buffer);
        buffer.position(0);
        if (!written.equals(name)) {
            throw Corruption.in(key, "it is " + written.key());
        }
    }

    /** Whether a header, damaged or not, is no evidence that a pack is another one. */
    public static boolean mayBe(RepositoryId repository, PackName name, ByteBuffer header) {
        byte[] bytes = new byte[HEADER_BYTES];
        header.get(0, bytes);
        return crc(bytes, 0, HEADER_BYTES - 4) != header.getInt(HEADER_BYTES - 4)
                || Arrays.equals(bytes, header(repository, name));
    }

    /**
     * What a footer says about one segment.
     *
     * @param offset where it begins in the pack
     * @param length its bytes, header and payload
     * @param type what it holds
     * @param ids the ids of its entries, one after the other
     */
    public record SegmentEntry(int offset, int length, SegmentType type, byte[] ids) {
        /** How many entries the segment has. */
        public int count() {
            return ids.length / IdHasher.ID_BYTES;
        }
    }

    /** Gathers the footer of one pack. */
    public static final class FooterBuilder {
        // With room for the magic number and the count in front.
        private byte[] bytes = new byte[4096];
        private ByteBuffer view = ByteBuffer.wrap(bytes);
        private int end = 12;
        private int segments;

        /** Adds the next segment. */
        public void add(int offset, int length, SegmentType type, byte[] ids, int count) {
            room(FOOTER_ENTRY + count * IdHasher.ID_BYTES);
            view.putInt(end, offset)
                    .putInt(end + 4, length)
                    .put(end + 8, (byte) type.number())
                    .put(end + 9, (byte) 0)
                    .putShort(end + 10, (short) count);
            System.arraycopy(ids, 0, bytes, end + FOOTER_ENTRY, count * IdHasher.ID_BYTES);
            end += FOOTER_ENTRY + count * IdHasher.ID_BYTES;
            segments++;
        }

        /** Bytes that footer and trailer will take. */
        public int length() {
            return end + 4 + TRAILER_BYTES;
        }

        /** Writes footer and trailer of a pack whose segments end at an offset; they fill {@link #length} bytes of the array. */
        public byte[] encode(int footerOffset) {
            int length = length();
            room(4 + TRAILER_BYTES);
            view.putLong(0, FOOTER_MAGIC).putInt(8, segments);
            view.putInt(end, crc(bytes, 0, end));
            int trailer = end + 4;
            view.putLong(trailer, (long) footerOffset + length)
                    .putInt(trailer + 8, footerOffset)
                    .putInt(trailer + 12, 0);
            view.putInt(trailer + 16, crc(bytes, trailer, 16)).putInt(trailer + 20, TRAILER_MAGIC);
            return bytes;
        }

        /** Empties it for the next pack. */
        public void clear() {
            end = 12;
            segments = 0;
        }

        private void room(int length) {
            if (end + length > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(2 * bytes.length, end + length));
                view = ByteBuffer.wrap(bytes);
            }
        }
    }

    /** The length of a pack of so many segments, of so many entries and bytes altogether. */
    public static long packLength(long segments, long entries, long segmentBytes) {
        long footer = 12 + FOOTER_ENTRY * segments + IdHasher.ID_BYTES * entries + 4;
        return HEADER_BYTES + segmentBytes + footer + TRAILER_BYTES;
    }

    /** Reads a trailer and gives the offset of the footer. */
    public static int footerOffset(String key, ByteBuffer trailer, long packLength) {
        byte[] bytes = new byte[TRAILER_BYTES];
        trailer.get(0, bytes);
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        if (buffer.getInt(20) != TRAILER_MAGIC || crc(bytes, 0, 16) != buffer.getInt(16)) {
            throw Corruption.in(key, "it does not end like a pack");
        }
        if (buffer.getLong(0) != packLength) {
            throw Corruption.in(key, "it has " + packLength + " bytes and was written with " + buffer.getLong(0));
        }
        int offset = buffer.getInt(8);
        if (offset < HEADER_BYTES || offset > packLength - TRAILER_BYTES - 16 || buffer.getInt(12) != 0) {
            throw Corruption.in(key, "its trailer points nowhere");
        }
        return offset;
    }

    /** Reads a footer, which fills the array. */
    public static List<SegmentEntry> footer(String key, byte[] bytes, int footerOffset) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        int end = bytes.length - 4;
        if (end < 12 || buffer.getLong(0) != FOOTER_MAGIC || crc(bytes, 0, end) != buffer.getInt(end)) {
            throw Corruption.in(key, "the checksum of its footer is wrong");
        }
        int count = buffer.getInt(8);
        buffer.position(12);
        List<SegmentEntry> entries = new ArrayList<>();
        int expectedOffset = HEADER_BYTES;
        for (int i = 0; i < count; i++) {
            if (end - buffer.position() < FOOTER_ENTRY) {
                throw Corruption.in(key, "its footer ends too early");
            }
            int offset = buffer.getInt();
            int length = buffer.getInt();
            SegmentType type = SegmentType.of(key, buffer.get());
            int reserved = buffer.get();
            int ids = (buffer.getShort() & 0xffff) * IdHasher.ID_BYTES;
            if (offset != expectedOffset || length <= 0 || reserved != 0 || ids == 0 || end - buffer.position() < ids) {
                throw Corruption.in(key, "segment " + i + " of its footer can not be");
            }
            byte[] idBytes = new byte[ids];
            buffer.get(idBytes);
            entries.add(new SegmentEntry(offset, length, type, idBytes));
            expectedOffset += length;
        }
        if (entries.isEmpty() || buffer.position() != end || expectedOffset != footerOffset) {
            throw Corruption.in(key, "its footer does not fit its segments");
        }
        return entries;
    }

    private static int crc(byte[] bytes, int offset, int length) {
        CRC32C crc = new CRC32C();
        crc.update(bytes, offset, length);
        return (int) crc.getValue();
    }
}
