package io.genievm.core.internal.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ChunkBitmapTest {
    private static final int GRAIN = 4096;

    @Test
    @DisplayName("whatever is combined, counted or widened is what a plain set of bits gives")
    void comparedWithAPlainSet() {
        for (int seed = 0; seed < 500; seed++) {
            Random random = new Random(seed);
            int chunks = random.nextInt(10) == 0 ? random.nextInt(3) : random.nextInt(400);
            BitSet plain = bits(random, chunks);
            BitSet other = bits(random, chunks);
            ChunkBitmap bitmap = bitmap(plain, chunks);
            BitSet both = (BitSet) plain.clone();
            both.and(other);
            BitSet rest = (BitSet) plain.clone();
            rest.andNot(other);
            assertSame(bitmap.and(bitmap(other, chunks)), both, chunks);
            assertSame(bitmap.without(bitmap(other, chunks)), rest, chunks);
            assertSame(bitmap, plain, chunks);
            assertThat(bitmap.count()).isEqualTo(plain.cardinality());
            assertThat(ChunkBitmap.full(chunks).count()).isEqualTo(chunks);

            int block = 1 << random.nextInt(5);
            BitSet wide = new BitSet();
            plain.stream()
                    .forEach(chunk -> wide.set(chunk / block * block, Math.min(chunks, (chunk / block + 1) * block)));
            bitmap.widen(block);
            assertSame(bitmap, wide, chunks);
        }
    }

    @Test
    @DisplayName("bytes of chunks: the last one ends with the disk")
    void bytes() {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            long capacity = random.nextInt(100 * GRAIN);
            int chunks = (int) ((capacity + GRAIN - 1) / GRAIN);
            BitSet plain = bits(random, chunks);
            long bytes = plain.stream()
                    .mapToLong(chunk -> Math.min(GRAIN, capacity - (long) chunk * GRAIN))
                    .sum();

            assertThat(bitmap(plain, chunks).bytes(GRAIN, capacity)).isEqualTo(bytes);
            assertThat(ChunkBitmap.full(chunks).bytes(GRAIN, capacity)).isEqualTo(capacity);
        }
        assertThat(ChunkBitmap.full(1L << 28).bytes(65_536, (16L << 40) - 1)).isEqualTo((16L << 40) - 1);
    }

    @Test
    @DisplayName("extents cover what is set, exactly as long as they are few enough, and outwards when they are not")
    void extents() {
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            int chunks = random.nextInt(300);
            long capacity = chunks == 0 ? 0 : (long) chunks * GRAIN - random.nextInt(GRAIN);
            BitSet plain = bits(random, chunks);
            ChunkBitmap bitmap = bitmap(plain, chunks);
            List<Extent> exact = exactExtents(plain, capacity);

            assertThat(bitmap.extents(Math.max(1, exact.size()), GRAIN, capacity))
                    .isEqualTo(exact);
            int most = 1 + random.nextInt(10);
            List<Extent> few = bitmap.extents(most, GRAIN, capacity);
            assertThat(few.size()).isLessThanOrEqualTo(most);
            long end = -1;
            BitSet covered = new BitSet();
            for (Extent extent : few) {
                assertThat(extent.offset()).isGreaterThan(end);
                end = extent.end();
                assertThat(end).isLessThanOrEqualTo(capacity);
                covered.set((int) (extent.offset() / GRAIN), (int) ((extent.end() + GRAIN - 1) / GRAIN));
            }
            plain.andNot(covered);
            assertThat(plain.isEmpty()).isTrue();
        }
    }

    @Test
    @DisplayName("extents are rounded outwards to chunks")
    void foldedOutwards() {
        for (int seed = 0; seed < 300; seed++) {
            Random random = new Random(seed);
            long capacity = 1L + random.nextInt(100 * GRAIN);
            int chunks = (int) ((capacity + GRAIN - 1) / GRAIN);
            List<Extent> extents = new ArrayList<>();
            BitSet plain = new BitSet();
            for (long at = random.nextInt(3 * GRAIN); at < capacity; ) {
                long length = Math.min(capacity - at, 1 + random.nextInt(3 * GRAIN));
                extents.add(new Extent(at, length));
                plain.set((int) (at / GRAIN), (int) ((at + length + GRAIN - 1) / GRAIN));
                at += length + random.nextInt(5 * GRAIN);
            }
            ChunkBitmap folded =
                    ChunkBitmap.of(ExtentCursor.of(extents), capacity, GRAIN, Resource.named("disk"), () -> {});
            assertSame(folded, plain, chunks);
        }
    }

    @Test
    @DisplayName("extents that overlap or leave the disk are no list")
    void brokenLists() {
        for (List<Extent> broken : List.of(
                List.of(new Extent(0, 10_001)),
                List.of(new Extent(10_000, 1)),
                List.of(new Extent(100, 10), new Extent(109, 1)),
                List.of(new Extent(100, 10), new Extent(0, 1)),
                List.of(new Extent(1, Long.MAX_VALUE - 1)))) {
            assertThatThrownBy(() ->
                            ChunkBitmap.of(ExtentCursor.of(broken), 10_000, GRAIN, Resource.named("disk"), () -> {}))
                    .as("%s", broken)
                    .isInstanceOfSatisfying(
                            GenieVmException.class,
                            e -> assertThat(e.code()).isEqualTo(ErrorCode.DRIVER_CONTRACT_BROKEN));
        }
    }

    private static BitSet bits(Random random, int chunks) {
        BitSet bits = new BitSet();
        int density = 1 + random.nextInt(20);
        for (int chunk = 0; chunk < chunks; chunk++) {
            if (random.nextInt(density) == 0) {
                bits.set(chunk, Math.min(chunks, chunk + 1 + random.nextInt(density)));
            }
        }
        return bits;
    }

    private static ChunkBitmap bitmap(BitSet plain, int chunks) {
        ChunkBitmap bitmap = new ChunkBitmap(chunks);
        plain.stream().forEach(chunk -> bitmap.set(chunk, chunk + 1));
        return bitmap;
    }

    private static List<Extent> exactExtents(BitSet plain, long capacity) {
        List<Extent> extents = new ArrayList<>();
        for (int first = plain.nextSetBit(0); first >= 0; ) {
            int end = plain.nextClearBit(first);
            long offset = (long) first * GRAIN;
            extents.add(new Extent(offset, Math.min((long) end * GRAIN, capacity) - offset));
            first = plain.nextSetBit(end);
        }
        return extents;
    }

    private static void assertSame(ChunkBitmap bitmap, BitSet plain, int chunks) {
        assertThat(bitmap.chunks()).isEqualTo(chunks);
        BitSet found = new BitSet();
        for (int chunk = 0; chunk < chunks; chunk++) {
            found.set(chunk, bitmap.get(chunk));
        }
        assertThat(found).isEqualTo(plain);
        assertThat(bitmap.nextSet(0)).isEqualTo(plain.nextSetBit(0));
    }
}
