package io.genievm.core.internal.format;

import java.nio.ByteBuffer;
import java.util.zip.CRC32C;

/** Gathers chunks or map pages and writes them as one segment. For one thread at a time; its arrays are kept. */
public final class SegmentBuilder {
    private final SegmentType type;
    private final byte[] raw;
    private final byte[] ids;
    private final int[] lengths;
    private final CRC32C crc = new CRC32C();
    private byte[] encoded = new byte[0];
    private int count;
    private int rawLength;

    /**
     * Makes a builder.
     *
     * @param type what it gathers
     * @param maxRaw the most bytes of content
     * @param maxCount the most entries
     */
    public SegmentBuilder(SegmentType type, int maxRaw, int maxCount) {
        this.type = type;
        this.raw = new byte[maxRaw];
        this.lengths = new int[Math.min(maxCount, Segment.MAX_COUNT)];
        this.ids = new byte[lengths.length * IdHasher.ID_BYTES];
    }

    /** What it gathers. */
    public SegmentType type() {
        return type;
    }

    /** Whether an entry of this length still fits. */
    public boolean fits(int length) {
        return count < lengths.length && rawLength + length <= raw.length;
    }

    /** How many entries there are. */
    public int count() {
        return count;
    }

    /** The ids, one after the other. */
    public byte[] ids() {
        return ids;
    }

    /** Bytes of the content. */
    public int rawLength() {
        return rawLength;
    }

    /** Adds an entry and gives its position. */
    public int add(byte[] id, int idOffset, byte[] content, int offset, int length) {
        System.arraycopy(content, offset, raw, rawLength, length);
        System.arraycopy(id, idOffset, ids, count * IdHasher.ID_BYTES, IdHasher.ID_BYTES);
        lengths[count] = length;
        rawLength += length;
        return count++;
    }

    /** Writes the segment to {@link #encoded()} and gives its length. */
    public int encode(Compressor compressor) {
        int header = Segment.headerLength(count);
        int needed = header + Math.max(compressor.maxLength(rawLength), rawLength);
        if (encoded.length < needed) {
            encoded = new byte[needed];
        }
        int stored = compressor.compress(raw, 0, rawLength, encoded, header);
        int codec = compressor.codec();
        if (stored >= rawLength) {
            System.arraycopy(raw, 0, encoded, header, rawLength);
            stored = rawLength;
            codec = Compressor.NONE;
        }
        crc.reset();
        crc.update(encoded, header, stored);
        ByteBuffer buffer = ByteBuffer.wrap(encoded);
        buffer.putInt(Segment.MAGIC)
                .put((byte) type.number())
                .put((byte) codec)
                .putShort((short) count)
                .putInt(rawLength)
                .putInt(stored)
                .putInt((int) crc.getValue())
                .putInt(0);
        for (int i = 0; i < count; i++) {
            buffer.put(ids, i * IdHasher.ID_BYTES, IdHasher.ID_BYTES).putInt(lengths[i]);
        }
        crc.reset();
        crc.update(encoded, 0, buffer.position());
        buffer.putInt((int) crc.getValue());
        return header + stored;
    }

    /** The array that {@link #encode} wrote to. */
    public byte[] encoded() {
        return encoded;
    }

    /** Empties the builder. */
    public void clear() {
        count = 0;
        rawLength = 0;
    }
}
