package io.genievm.core.internal.repository;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import io.genievm.core.Damage;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Gathers damaged chunks into ranges, and the same range of several points into one. For one thread at a time. */
public final class DamageCollector {
    private final int chunkSize;
    private final Map<Source, TreeMap<Long, Range>> ranges = new LinkedHashMap<>();

    /** Gathers damage of disks with chunks of a size. */
    public DamageCollector(int chunkSize) {
        this.chunkSize = chunkSize;
    }

    private record Source(String object, SessionId point, DiskId disk) {}

    private record Range(String message, long end) {}

    private record Place(String object, DiskId disk, Extent extent) {}

    /** Adds a range of chunks. */
    public void add(
            String object, String message, SessionId point, DiskId disk, long firstChunk, long chunks, long capacity) {
        TreeMap<Long, Range> known = ranges.computeIfAbsent(new Source(object, point, disk), any -> new TreeMap<>());
        long start = firstChunk * chunkSize;
        long end = Math.min(start + chunks * chunkSize, capacity);
        Map.Entry<Long, Range> before = known.floorEntry(start);
        String text = message;
        if (before != null && before.getValue().end >= start) {
            start = before.getKey();
            end = Math.max(end, before.getValue().end);
            text = before.getValue().message;
        }
        known.put(start, new Range(text, end));
    }

    /** Whether nothing was added. */
    public boolean isEmpty() {
        return ranges.isEmpty();
    }

    /** Everything that was added. */
    public List<Damage> damage() {
        Map<Place, List<SessionId>> points = new LinkedHashMap<>();
        Map<Place, String> messages = new LinkedHashMap<>();
        ranges.forEach((source, known) -> known.forEach((start, range) -> {
            Place place = new Place(source.object, source.disk, new Extent(start, range.end - start));
            points.computeIfAbsent(place, any -> new ArrayList<>()).add(source.point);
            messages.putIfAbsent(place, range.message);
        }));
        List<Damage> damage = new ArrayList<>();
        points.forEach((place, ids) ->
                damage.add(new Damage(place.object, messages.getOrDefault(place, ""), ids, place.disk, place.extent)));
        return damage;
    }
}
