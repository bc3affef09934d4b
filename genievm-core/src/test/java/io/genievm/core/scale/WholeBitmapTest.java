package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.genievm.core.internal.plan.ChunkBitmap;
import java.time.Duration;
import java.util.BitSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** A bit for each chunk: right for any pattern, and no slower for a disk that is full than for one that is empty. */
class WholeBitmapTest {
    @Test
    void aFullDiskIsWalkedInRunsAndCountedInPages() {
        long chunks = (16L << 40) / (64 << 10) + 5;
        ChunkBitmap bitmap = new ChunkBitmap(chunks);
        bitmap.set(0, chunks);
        // Looking on to the end of the disk for each of 16 million runs would take days.
        assertTimeoutPreemptively(Duration.ofMinutes(1), () -> {
            long runs = 0;
            for (long chunk = bitmap.nextSet(0); chunk >= 0; runs++) {
                chunk = bitmap.nextSet(bitmap.nextClear(chunk, (chunk / 16 + 1) * 16));
            }
            assertThat(runs).isEqualTo((chunks + 15) / 16);
            long count = 0;
            for (long page = 0; page < chunks; page += 1024) {
                count += bitmap.count(page, Math.min(page + 1024, chunks));
            }
            assertThat(count).isEqualTo(chunks);
        });
    }

    @Test
    void everyAnswerIsThatOfAPlainSetOfBits() {
        for (int seed = 0; seed < 200; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            int chunks = 1 + random.nextInt(400);
            ChunkBitmap bitmap = new ChunkBitmap(chunks);
            BitSet plain = new BitSet();
            for (int i = random.nextInt(12); i > 0; i--) {
                int from = random.nextInt(chunks);
                int to = from + 1 + random.nextInt(Math.min(chunks - from, 1 + random.nextInt(200)));
                bitmap.set(from, to);
                plain.set(from, to);
            }
            for (int i = 0; i < 200; i++) {
                int from = random.nextInt(chunks + 1);
                int to = from + random.nextInt(chunks + 1 - from);
                String what = "seed " + seed + ", " + from + " to " + to + " of " + plain + ", " + chunks + " chunks";
                assertThat(bitmap.count(from, to))
                        .as(what)
                        .isEqualTo(plain.get(from, to).cardinality());
                assertThat(bitmap.nextSet(from)).as(what).isEqualTo(from >= chunks ? -1 : plain.nextSetBit(from));
                assertThat(bitmap.nextClear(from, to)).as(what).isEqualTo(Math.min(to, plain.nextClearBit(from)));
            }
        }
    }
}
