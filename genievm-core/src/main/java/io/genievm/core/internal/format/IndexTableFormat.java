package io.genievm.core.internal.format;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import java.nio.ByteBuffer;
import java.util.HexFormat;

/** Header, entries and trailer of index tables. */
public final class IndexTableFormat {
    /** Bytes of the header. */
    public static final int HEADER_BYTES = 64;
    /** Bytes of a pack. */
    public static final int PACK_BYTES = PackName.BYTES + 4;
    /** Bytes of an entry. */
    public static final int ENTRY_BYTES = 48;
    /** Bytes of the trailer. */
    public static final int TRAILER_BYTES = 16;

    private static final long HEADER_MAGIC = 0x47564D494E444558L;
    private static final int TRAILER_MAGIC = 0x47494458;

    private IndexTableFormat() {}

    /**
     * The header of a table.
     *
     * @param name the session or random id of its key
     * @param number the number of its key
     * @param packs how many packs follow
     * @param entries how many entries follow
     */
    public record Header(SessionId name, int number, int packs, long entries) {
        /** Bytes of the whole table. */
        public long tableLength() {
            return HEADER_BYTES + (long) packs * PACK_BYTES + entries * ENTRY_BYTES + TRAILER_BYTES;
        }

        /** Writes the header. */
        public void write(RepositoryId repository, ByteBuffer buffer) {
            buffer.putLong(HEADER_MAGIC)
                    .putShort((short) FormatVersion.CURRENT)
                    .putShort((short) 0)
                    .putInt(packs)
                    .put(HexFormat.of().parseHex(repository.value()))
                    .put(HexFormat.of().parseHex(name.value()))
                    .putInt(number)
                    .putInt(0)
                    .putLong(entries);
        }
    }

    /** Reads a header of an object of a given length. */
    public static Header readHeader(String key, RepositoryId repository, ByteBuffer buffer, long objectLength) {
        if (buffer.remaining() < HEADER_BYTES || buffer.getLong() != HEADER_MAGIC) {
            throw Corruption.in(key, "it does not begin like an index table");
        }
        Corruption.checkVersion(key, buffer.getShort() & 0xffff);
        int flags = buffer.getShort();
        int packs = buffer.getInt();
        byte[] id = new byte[16];
        buffer.get(id);
        String owner = HexFormat.of().formatHex(id);
        buffer.get(id);
        Header header = new Header(
                new SessionId(HexFormat.of().formatHex(id)), buffer.getInt(), packs, skipReserved(key, buffer));
        if (flags != 0 || packs < 0 || header.entries < 0 || header.entries > objectLength / ENTRY_BYTES) {
            throw Corruption.in(key, "its header can not be");
        }
        if (header.tableLength() != objectLength) {
            throw Corruption.in(key, "it has " + objectLength + " bytes and should have " + header.tableLength());
        }
        if (!owner.equals(repository.value())) {
            throw Corruption.in(key, "it belongs to repository " + owner + ", not to " + repository);
        }
        if (header.number < 0 || !ObjectKeys.index(header.name, header.number).equals(key)) {
            throw Corruption.in(key, "it is " + ObjectKeys.index(header.name, header.number));
        }
        return header;
    }

    /** Writes the trailer of a table. */
    public static void writeTrailer(ByteBuffer buffer, long tableLength, int crc) {
        buffer.putLong(tableLength).putInt(crc).putInt(TRAILER_MAGIC);
    }

    /** Checks the trailer of a table; {@code crc} covers everything before the checksum. */
    public static void checkTrailer(String key, ByteBuffer buffer, long tableLength, int crc) {
        if (buffer.getLong() != tableLength || buffer.getInt() != crc || buffer.getInt() != TRAILER_MAGIC) {
            throw Corruption.in(key, "its checksum is wrong");
        }
    }

    private static long skipReserved(String key, ByteBuffer buffer) {
        if (buffer.getInt() != 0) {
            throw Corruption.in(key, "a reserved field is not zero");
        }
        return buffer.getLong();
    }
}
