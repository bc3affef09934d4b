package io.genievm.core.internal.verify;

import io.genievm.core.Damage;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** What a check has found so far. Safe for use by several threads. */
final class Findings {
    private final Map<String, String> objects = new LinkedHashMap<>();
    private final List<Damage> data = new ArrayList<>();
    private final Map<Integer, Set<Integer>> goodSegments = new HashMap<>();

    /** Notes that an object is damaged; the first message counts. */
    synchronized void object(String key, String message) {
        objects.putIfAbsent(key, message);
    }

    /** Notes damage that is complete as it is. */
    synchronized void add(Damage damage) {
        data.add(damage);
    }

    /** Notes that of a pack only segments at some offsets are good. */
    synchronized void packWithDamage(int pack, Set<Integer> goodOffsets) {
        goodSegments.put(pack, new HashSet<>(goodOffsets));
    }

    /** Whether data can have been found damaged, so that it is worth asking which. */
    synchronized boolean hasDamagedData() {
        return !goodSegments.isEmpty();
    }

    /** Whether a segment has not been found damaged. */
    synchronized boolean isGood(int pack, int offset) {
        Set<Integer> good = goodSegments.get(pack);
        return good == null || good.contains(offset);
    }

    /** What was found out about an object, or a general word. */
    synchronized String messageOf(String key) {
        return objects.getOrDefault(key, key + " is damaged");
    }

    /** Everything, with those objects last that no data is known to depend on. */
    synchronized List<Damage> damage() {
        List<Damage> all = new ArrayList<>(data);
        Set<String> told = new HashSet<>();
        data.forEach(damage -> told.add(damage.object()));
        objects.forEach((key, message) -> {
            if (!told.contains(key)) {
                all.add(new Damage(key, message, List.of(), null, null));
            }
        });
        return all;
    }
}
