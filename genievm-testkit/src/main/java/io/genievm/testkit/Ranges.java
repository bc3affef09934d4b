package io.genievm.testkit;

import io.genievm.api.Extent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A set of bytes of a disk. Takes heap for its ranges, whatever their length. For one thread at a time. */
final class Ranges {
    // First byte to the byte behind the last one; the ranges neither overlap nor touch.
    private final TreeMap<Long, Long> ends = new TreeMap<>();

    static Ranges of(List<Extent> extents) {
        Ranges ranges = new Ranges();
        extents.forEach(extent -> ranges.add(extent.offset(), extent.end()));
        return ranges;
    }

    void add(long start, long end) {
        if (start >= end) {
            return;
        }
        long from = start;
        long to = end;
        Map.Entry<Long, Long> before = ends.floorEntry(start);
        if (before != null && before.getValue() >= start) {
            from = before.getKey();
        }
        for (Map.Entry<Long, Long> next = ends.ceilingEntry(from);
                next != null && next.getKey() <= to;
                next = ends.ceilingEntry(from)) {
            to = Math.max(to, next.getValue());
            ends.remove(next.getKey());
        }
        ends.put(from, to);
    }

    void addAll(Ranges others) {
        others.ends.forEach(this::add);
    }

    void remove(long start, long end) {
        if (start >= end) {
            return;
        }
        Map.Entry<Long, Long> before = ends.lowerEntry(start);
        if (before != null && before.getValue() > start) {
            ends.put(before.getKey(), start);
            if (before.getValue() > end) {
                ends.put(end, before.getValue());
            }
        }
        for (Map.Entry<Long, Long> next = ends.ceilingEntry(start);
                next != null && next.getKey() < end;
                next = ends.ceilingEntry(start)) {
            ends.remove(next.getKey());
            if (next.getValue() > end) {
                ends.put(end, next.getValue());
            }
        }
    }

    /** The ranges below a capacity, ascending and apart from each other. */
    List<Extent> below(long capacity) {
        List<Extent> extents = new ArrayList<>();
        for (Map.Entry<Long, Long> range : ends.headMap(capacity).entrySet()) {
            extents.add(new Extent(range.getKey(), Math.min(capacity, range.getValue()) - range.getKey()));
        }
        return extents;
    }
}
