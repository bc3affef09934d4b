package io.genievm.core.internal.index;

/** Where an id is. Filled by look-ups, so that none allocates. For one thread at a time. */
public final class Location {
    int pack;
    int offset;
    int length;
    int position;

    /** The pack's number in its {@link PackList}. */
    public int pack() {
        return pack;
    }

    /** Where the segment begins in the pack. */
    public int offset() {
        return offset;
    }

    /** Bytes of the segment. */
    public int length() {
        return length;
    }

    /** The id's position among the entries of the segment. */
    public int position() {
        return position;
    }

    /** Copies another one. */
    public void set(Location other) {
        pack = other.pack;
        offset = other.offset;
        length = other.length;
        position = other.position;
    }
}
