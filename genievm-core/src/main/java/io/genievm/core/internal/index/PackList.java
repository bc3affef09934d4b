package io.genievm.core.internal.index;

import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The packs that exist, as one listing gave them: in the order of their keys, each with its number in that order. Takes
 * 32 bytes of heap for a pack. Filled by one thread, then read by any.
 */
public final class PackList {
    private static final int MISSING = 1 << 30;

    private final long[] high;
    private final long[] low;
    private final int[] number;
    private final long[] length;
    private final int size;
    private final BitSet covered = new BitSet();
    private final int[] entries;
    private final Map<PackName, Integer> missing = new HashMap<>();
    private final List<PackName> missingNames = new ArrayList<>();

    private PackList(long[] high, long[] low, int[] number, long[] length, int size) {
        this.high = high;
        this.low = low;
        this.number = number;
        this.length = length;
        this.size = size;
        this.entries = new int[size];
        Arrays.fill(entries, -1);
    }

    /**
     * Lists the packs of a store.
     *
     * @param store the store
     * @param condemned keys of packs to take for absent
     */
    public static PackList read(BlobStore store, List<String> condemned) {
        Set<String> absent = new HashSet<>(condemned);
        long[] high = new long[64];
        long[] low = new long[64];
        int[] number = new int[64];
        long[] length = new long[64];
        int size = 0;
        try (BlobCursor cursor = store.list(ObjectKeys.PACKS)) {
            while (cursor.next()) {
                BlobEntry entry = cursor.entry();
                PackName name = PackName.ofKey(entry.key());
                if (name == null || absent.contains(entry.key())) {
                    continue;
                }
                if (size == high.length) {
                    high = Arrays.copyOf(high, 2 * size);
                    low = Arrays.copyOf(low, 2 * size);
                    number = Arrays.copyOf(number, 2 * size);
                    length = Arrays.copyOf(length, 2 * size);
                }
                high[size] = name.high();
                low[size] = name.low();
                number[size] = name.number();
                length[size] = entry.length();
                size++;
            }
        }
        return new PackList(high, low, number, length, size);
    }

    /** How many packs there are. */
    public int size() {
        return size;
    }

    /** Whether a number is that of a pack that some index table names and that is not there. */
    public static boolean isMissing(int pack) {
        return (pack & MISSING) != 0;
    }

    /** Whether some index table names a pack that is not there, has another length, or is condemned. */
    public boolean isAnyMissing() {
        return !missingNames.isEmpty();
    }

    /** The number for a pack that some index table names and that is not there, or has another length. */
    int missing(PackName name) {
        Integer number = missing.get(name);
        if (number == null) {
            number = missingNames.size() | MISSING;
            missing.put(name, number);
            missingNames.add(name);
        }
        return number;
    }

    /** The name of the pack with a number. */
    public PackName name(int pack) {
        return isMissing(pack) ? missingNames.get(pack & ~MISSING) : new PackName(high[pack], low[pack], number[pack]);
    }

    /** Bytes of the pack with a number, as the listing told. */
    public long length(int pack) {
        return length[pack];
    }

    /** The number of a pack, or -1 when it is not there. */
    public int indexOf(PackName name) {
        int from = 0;
        int to = size - 1;
        while (from <= to) {
            int middle = (from + to) >>> 1;
            int order = name(middle).compareTo(name);
            if (order == 0) {
                return middle;
            }
            if (order < 0) {
                from = middle + 1;
            } else {
                to = middle - 1;
            }
        }
        return -1;
    }

    /** Notes that an index table names the pack, with so many entries. */
    void cover(int pack, int count) {
        entries[pack] = covered.get(pack) ? -1 : count;
        covered.set(pack);
    }

    /** How many entries the pack has by the one index table that names it; -1 where none or several do. */
    public int entries(int pack) {
        return entries[pack];
    }

    /** The next pack from a number on that no index table names, or -1. */
    int nextUncovered(int from) {
        int pack = covered.nextClearBit(from);
        return pack < size ? pack : -1;
    }

    /** Whether an index table names the pack. */
    public boolean isCovered(int pack) {
        return covered.get(pack);
    }
}
