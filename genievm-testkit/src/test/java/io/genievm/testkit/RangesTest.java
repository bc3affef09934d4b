package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.Extent;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class RangesTest {
    @Test
    @DisplayName("ranges are as a set of bits, whatever is added and removed")
    void isLikeBits() {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            Ranges ranges = new Ranges();
            BitSet model = new BitSet();
            for (int i = 0; i < 60; i++) {
                int start = random.nextInt(100);
                int end = start + random.nextInt(12);
                if (random.nextInt(3) == 0) {
                    ranges.remove(start, end);
                    model.clear(start, end);
                } else {
                    ranges.add(start, end);
                    model.set(start, end);
                }
                int capacity = random.nextInt(120);
                assertThat(ranges.below(capacity))
                        .as("seed %d, step %d, below %d", seed, i, capacity)
                        .isEqualTo(extents(model, capacity));
            }
        }
    }

    private static List<Extent> extents(BitSet bits, int capacity) {
        List<Extent> extents = new ArrayList<>();
        int start = bits.nextSetBit(0);
        while (start >= 0 && start < capacity) {
            int end = Math.min(capacity, bits.nextClearBit(start));
            extents.add(new Extent(start, end - start));
            start = bits.nextSetBit(end);
        }
        return extents;
    }
}
