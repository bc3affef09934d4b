package io.genievm.api;

import java.io.Serializable;

/**
 * A range of bytes of a disk.
 *
 * @param offset its first byte, 0 or more
 * @param length its length in bytes, 1 or more; {@code offset + length} fits a {@code long}
 * @since 0.1
 */
public record Extent(long offset, long length) implements Serializable {
    /**
     * Checks the range.
     *
     * @param offset its first byte
     * @param length its length in bytes
     * @throws IllegalArgumentException when the offset is negative, the length is not positive or the end overflows
     */
    public Extent {
        if (offset < 0 || length <= 0 || offset > Long.MAX_VALUE - length) {
            throw new IllegalArgumentException(
                    "an extent needs offset >= 0 and length >= 1: offset " + offset + ", length " + length);
        }
    }

    /**
     * Says where the range ends.
     *
     * @return the offset in bytes behind its last byte
     */
    public long end() {
        return offset + length;
    }
}
