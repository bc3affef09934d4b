package io.genievm.api;

import java.io.Serializable;

/**
 * Names one disk within its VM: what stays the same from backup to backup while the disk is the same disk. A disk that
 * is renamed counts as one removed and one added. It is also the name of the file that a restore to a folder writes.
 *
 * @param value 1 to 255 bytes of UTF-8 without control characters, {@code '/'} and {@code '\'}, and neither {@code "."}
 *     nor {@code ".."}; compared code unit by code unit
 * @since 0.1
 */
public record DiskId(String value) implements Comparable<DiskId>, Serializable {
    /**
     * Checks the value.
     *
     * @param value the id, see the record
     * @throws IllegalArgumentException when the value is not of that form
     */
    public DiskId {
        Names.requireName("a disk id", value);
    }

    /** Orders by code units, as {@link String#compareTo(String)} does. */
    @Override
    public int compareTo(DiskId other) {
        return value.compareTo(other.value);
    }

    @Override
    public String toString() {
        return value;
    }
}
