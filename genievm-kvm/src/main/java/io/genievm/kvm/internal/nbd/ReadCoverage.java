package io.genievm.kvm.internal.nbd;

import java.util.Map;
import java.util.TreeMap;

/** Which bytes of a read have come: each has to come once. Chunks mostly come in order, but need not. */
final class ReadCoverage {
    /** Pieces ahead of a gap that are kept apart; nobody shuffles more, and memory is bounded. */
    private static final int MOST_ISLANDS = 1024;

    private final long length;
    /** Everything before has come. */
    private long prefix;
    /** What came behind a gap: start to end, disjoint and not touching. */
    private final TreeMap<Long, Long> islands = new TreeMap<>();

    ReadCoverage(long length) {
        this.length = length;
    }

    /** Adds a range inside the read, of 1 byte or more; false when some of it has come before, or it is too scattered. */
    boolean add(long start, long end) {
        if (start < prefix) {
            return false;
        }
        if (start == prefix && islands.isEmpty()) {
            prefix = end;
            return true;
        }
        Map.Entry<Long, Long> before = islands.floorEntry(start);
        Map.Entry<Long, Long> after = islands.ceilingEntry(start);
        if (before != null && before.getValue() > start || after != null && after.getKey() < end) {
            return false;
        }
        long from = start;
        long to = end;
        if (before != null && before.getValue() == start) {
            from = before.getKey();
        }
        if (after != null && after.getKey() == end) {
            to = after.getValue();
            islands.remove(after.getKey());
        }
        if (from == prefix) {
            prefix = to;
        } else {
            islands.put(from, to);
        }
        return islands.size() <= MOST_ISLANDS;
    }

    boolean isComplete() {
        return prefix == length;
    }
}
