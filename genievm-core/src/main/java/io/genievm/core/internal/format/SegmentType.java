package io.genievm.core.internal.format;

/** What a segment holds. */
public enum SegmentType {
    /** Chunks of disks. */
    CHUNKS(1),
    /** Pages of chunk maps. */
    PAGES(2);

    /** The most bytes of map pages in a segment. */
    public static final int MAX_PAGE_BYTES = 1 << 20;

    private final int number;

    SegmentType(int number) {
        this.number = number;
    }

    /** The number in the format. */
    public int number() {
        return number;
    }

    /** The type with a number. */
    public static SegmentType of(String key, int number) {
        return switch (number) {
            case 1 -> CHUNKS;
            case 2 -> PAGES;
            default -> throw Corruption.in(key, "a segment of unknown type " + number);
        };
    }

    /** Writes the id of an entry's content. */
    public void hash(IdHasher hasher, byte[] content, int offset, int length, byte[] target, int targetOffset) {
        if (this == CHUNKS) {
            hasher.chunk(content, offset, length, target, targetOffset);
        } else {
            hasher.page(content, offset, length, target, targetOffset);
        }
    }
}
