package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ReadCoverageTest {
    @Test
    void agreesWithASetOfBits() {
        for (int seed = 1; seed <= 2000; seed++) {
            Random random = new Random(seed * 0x9E3779B97F4A7C15L);
            int length = 1 + random.nextInt(60);
            ReadCoverage coverage = new ReadCoverage(length);
            BitSet bits = new BitSet();
            for (int round = 0; round < 200; round++) {
                int start = random.nextInt(length);
                int end = start + 1 + random.nextInt(Math.min(8, length - start));
                boolean free = bits.get(start, end).isEmpty();
                assertThat(coverage.add(start, end)).as("seed %d", seed).isEqualTo(free);
                if (!free) {
                    break;
                }
                bits.set(start, end);
                assertThat(coverage.isComplete()).as("seed %d", seed).isEqualTo(bits.cardinality() == length);
            }
        }
    }

    @Test
    void refusesToKeepAnyNumberOfPieces() {
        ReadCoverage coverage = new ReadCoverage(1 << 20);
        int pieces = 0;
        while (coverage.add(2L * pieces + 1, 2L * pieces + 2)) {
            pieces++;
        }
        assertThat(pieces).isEqualTo(1024);
    }
}
