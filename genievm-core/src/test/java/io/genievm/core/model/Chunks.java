package io.genievm.core.model;

import io.genievm.core.internal.plan.ChunkBitmap;
import java.util.BitSet;

/** A set of chunks of a disk, as plain as can be. */
final class Chunks {
    private static final int SIZE = PlainBytes.BLOCK;

    private final BitSet numbers = new BitSet();
    private final long capacity;
    private final long count;

    Chunks(long capacity) {
        this.capacity = capacity;
        this.count = capacity / SIZE + (capacity % SIZE > 0 ? 1 : 0);
    }

    static Chunks of(ChunkBitmap bitmap, long capacity) {
        Chunks chunks = new Chunks(capacity);
        for (long chunk = bitmap.nextSet(0); chunk >= 0; chunk = bitmap.nextSet(chunk + 1)) {
            chunks.add(chunk);
        }
        return chunks;
    }

    static Chunks all(long capacity) {
        Chunks chunks = new Chunks(capacity);
        chunks.addRange(0, capacity);
        return chunks;
    }

    /** Adds a chunk unless it lies behind the end of the disk. */
    void add(long chunk) {
        if (chunk < count) {
            numbers.set(Math.toIntExact(chunk));
        }
    }

    /** Adds all chunks that a range touches. */
    void addRange(long offset, long end) {
        long behind = Math.min(count, (end + SIZE - 1) / SIZE);
        if (offset / SIZE < behind) {
            numbers.set(Math.toIntExact(offset / SIZE), Math.toIntExact(behind));
        }
    }

    /** Rounds outwards to blocks of so many bytes. */
    Chunks widened(int alignment) {
        Chunks wide = new Chunks(capacity);
        numbers.stream().forEach(chunk -> {
            long start = (long) chunk * SIZE / alignment * alignment;
            wide.addRange(start, Math.max(start + alignment, (chunk + 1L) * SIZE));
        });
        return wide;
    }

    Chunks and(Chunks other) {
        Chunks both = new Chunks(capacity);
        both.numbers.or(numbers);
        both.numbers.and(other.numbers);
        return both;
    }

    Chunks without(Chunks other) {
        Chunks rest = new Chunks(capacity);
        rest.numbers.or(numbers);
        rest.numbers.andNot(other.numbers);
        return rest;
    }

    Chunks or(Chunks other) {
        Chunks either = new Chunks(capacity);
        either.numbers.or(numbers);
        either.numbers.or(other.numbers);
        return either;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Chunks chunks && numbers.equals(chunks.numbers);
    }

    @Override
    public int hashCode() {
        return numbers.hashCode();
    }

    boolean isEmpty() {
        return numbers.isEmpty();
    }

    boolean contains(long chunk) {
        return numbers.get(Math.toIntExact(chunk));
    }

    /** The bytes of the disk in them; the last chunk ends with the disk. */
    long bytes() {
        long bytes = (long) numbers.cardinality() * SIZE;
        return count > 0 && contains(count - 1) ? bytes - (count * SIZE - capacity) : bytes;
    }

    @Override
    public String toString() {
        return numbers.cardinality() > 20
                ? numbers.cardinality() + " of them, from " + numbers.nextSetBit(0)
                : numbers.toString();
    }
}
