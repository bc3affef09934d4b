package io.genievm.core.internal.plan;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class AuditStripesTest {
    private static final long SEED = 0x0123456789abcdefL;

    @Test
    @DisplayName("every chunk is in exactly one stripe, runs stay whole, and stripes differ by one run at the most")
    void stripesDivideTheDisk() {
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            int stripes = 1 + random.nextInt(seed % 3 == 0 ? 100 : 8);
            int runChunks = 1 << random.nextInt(9);
            int chunks = random.nextInt(20) == 0 ? random.nextInt(3) : random.nextInt(40 * runChunks);
            AuditStripes divided = new AuditStripes(random.nextLong(), stripes, chunks, runChunks);
            int runs = (chunks + runChunks - 1) / runChunks;
            BitSet seen = new BitSet();
            for (int stripe = 0; stripe < stripes; stripe++) {
                ChunkBitmap bitmap = divided.stripe(stripe);
                assertThat(bitmap.chunks()).isEqualTo(chunks);
                int whole = 0;
                for (int run = 0; run < runs; run++) {
                    int end = Math.min(chunks, (run + 1) * runChunks);
                    long count = bitmap.count((long) run * runChunks, end);
                    assertThat(count).isIn(0L, (long) end - run * ((long) runChunks));
                    if (count > 0) {
                        assertThat(seen.get(run))
                                .as("run %s is in two stripes", run)
                                .isFalse();
                        seen.set(run);
                        whole++;
                    }
                }
                assertThat(whole).isBetween(runs / stripes, (runs + stripes - 1) / stripes);
            }
            assertThat(seen.cardinality()).isEqualTo(runs);
        }
    }

    @Test
    @DisplayName("the shuffle is a permutation for every number of runs")
    void placesAreAPermutation() {
        for (int runs = 1; runs < 300; runs++) {
            AuditStripes stripes = new AuditStripes(runs * 0x9e3779b97f4a7c15L, 7, runs, 1);
            assertThat(LongStream.range(0, runs).map(stripes::place).sorted())
                    .containsExactly(LongStream.range(0, runs).boxed().toArray(Long[]::new));
        }
    }

    @Test
    @DisplayName("neighbours go apart, and another seed divides another way")
    void seedsDiffer() {
        AuditStripes one = new AuditStripes(SEED, 64, 10_000, 1);
        AuditStripes other = new AuditStripes(SEED + 1, 64, 10_000, 1);
        long neighbours = IntStream.range(1, 10_000)
                .filter(run -> one.place(run) == one.place(run - 1) + 1)
                .count();
        long same = IntStream.range(0, 10_000)
                .filter(run -> one.place(run) % 64 == other.place(run) % 64)
                .count();

        assertThat(neighbours).isLessThan(20);
        // By chance it is every 64th.
        assertThat(same).isBetween(80L, 240L);
    }

    @Test
    @DisplayName("the format: what another program has worked out from its description")
    void goldenValues() {
        AuditStripes twenty = new AuditStripes(SEED, 5, 20, 1);
        assertThat(IntStream.range(0, 20).mapToLong(twenty::place))
                .containsExactly(
                        1L, 9L, 12L, 2L, 0L, 13L, 19L, 7L, 4L, 11L, 17L, 18L, 10L, 3L, 16L, 5L, 6L, 15L, 8L, 14L);
        assertThat(new AuditStripes(SEED, 5, 1, 1).place(0)).isZero();
        AuditStripes two = new AuditStripes(SEED, 5, 2, 1);
        assertThat(two.place(0)).isEqualTo(1);
        assertThat(two.place(1)).isZero();
        long runs = 100L << 20;
        AuditStripes large = new AuditStripes(0xfedcba9876543210L, 64, 16 * runs, 16);
        assertThat(LongStream.of(0, 1, 2, 1000, runs - 1).map(large::place))
                .containsExactly(78548343L, 94377001L, 84675851L, 78396917L, 91440053L);

        // Runs of 4 chunks, the last one of 2.
        AuditStripes short20 = new AuditStripes(SEED, 5, 78, 4);
        assertThat(runsOf(short20.stripe(0), 4)).containsExactly(4, 12, 15, 17);
        assertThat(runsOf(short20.stripe(4), 4)).containsExactly(1, 6, 8, 19);
        assertThat(short20.stripe(4).count()).isEqualTo(14);
    }

    @Test
    @DisplayName("a run has 1 MiB, or one chunk where that is more")
    void runsHaveAMebibyte() {
        assertThat(AuditStripes.runChunks(4096)).isEqualTo(256);
        assertThat(AuditStripes.runChunks(65_536)).isEqualTo(16);
        assertThat(AuditStripes.runChunks(1 << 20)).isEqualTo(1);
    }

    private static int[] runsOf(ChunkBitmap bitmap, int runChunks) {
        return LongStream.range(0, bitmap.chunks())
                .filter(bitmap::get)
                .mapToInt(chunk -> (int) chunk / runChunks)
                .distinct()
                .toArray();
    }
}
