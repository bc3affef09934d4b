package io.genievm.benchmarks;

import io.genievm.api.Extent;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.core.internal.plan.AuditStripes;
import io.genievm.core.internal.plan.ChunkBitmap;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The lists of extents of a disk of 1 TiB, and the algebra of the plan on its 16 777 216 chunks. An operation is the whole
 * disk.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class BitmapBenchmark {
    private static final long CAPACITY = 1L << 40;
    private static final int CHUNK = 1 << 16;
    private static final int BLOCK = 16;
    private static final int RANGES = 100;

    /** How many extents there are. */
    @Param({"1000", "100000"})
    public int extents;

    private List<Extent> list = List.of();
    private ChunkBitmap allocated = new ChunkBitmap(0);
    private ChunkBitmap changed = new ChunkBitmap(0);

    /** Makes the lists. */
    @Setup
    public void fill() {
        SplittableRandom random = new SplittableRandom(1);
        list = new ArrayList<>();
        long step = CAPACITY / extents;
        for (int i = 0; i < extents; i++) {
            long offset = i * step + random.nextLong(step / 2) / 512 * 512;
            list.add(new Extent(offset, 512 * (1 + random.nextLong(step / 1024))));
        }
        changed = fold();
        allocated = ChunkBitmap.full(CAPACITY / CHUNK);
        allocated.set(0, CAPACITY / CHUNK / 2);
    }

    /** Extents to chunks. */
    @Benchmark
    public ChunkBitmap fold() {
        return ChunkBitmap.of(ExtentCursor.of(list), CAPACITY, CHUNK, Resource.named("disk"), () -> {});
    }

    /** What is changed and allocated, and what is changed and not. */
    @Benchmark
    public long algebra() {
        return changed.and(allocated).count() + changed.without(allocated).count();
    }

    /** Every range that is set, one after the other. */
    @Benchmark
    public long walk() {
        long sum = 0;
        for (long from = changed.nextSet(0); from >= 0; ) {
            long end = changed.nextClear(from, changed.chunks());
            sum += end - from;
            from = changed.nextSet(end);
        }
        return sum;
    }

    /** The chunks that are set, widened to blocks of 1 MiB; a copy of the bitmap included. */
    @Benchmark
    public ChunkBitmap widen() {
        ChunkBitmap widened = changed.and(changed);
        widened.widen(BLOCK);
        return widened;
    }

    /** What is set as at most so many ranges of bytes, as reports tell it. */
    @Benchmark
    public List<Extent> ranges() {
        return changed.extents(RANGES, CHUNK, CAPACITY);
    }

    /** One stripe of an audit, of 64. */
    @Benchmark
    public ChunkBitmap stripe() {
        return new AuditStripes(1, 64, CAPACITY / CHUNK, AuditStripes.runChunks(CHUNK)).stripe(0);
    }
}
