package io.genievm.benchmarks;

import io.genievm.core.Codec;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
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
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a segment of 1 MiB costs that is stored: ids, compression, checksums, and the check of the compression. An operation
 * is 1 MiB.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class SegmentBenchmark {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS = 16;
    // More than the caches near a core hold, as when reading a disk.
    private static final int SEGMENTS = 64;

    private final byte[] data = SyntheticData.of(SyntheticData.Kind.WORDS, SEGMENTS * CHUNKS * CHUNK);
    private final byte[] id = new byte[IdHasher.ID_BYTES];
    private final IdHasher hasher = new IdHasher();
    private final SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, CHUNKS * CHUNK, CHUNKS);
    private Compressor compressor;
    private int next;

    /** How it is compressed. */
    @Param({"lz4", "zstd:1", "zstd:3"})
    public String codec;

    /** Whether it is decompressed again and compared. */
    @Param({"false", "true"})
    public boolean checked;

    /** Makes the compressor. */
    @Setup
    public void open() {
        compressor = Compressor.of(Codec.parse(codec));
        if (checked) {
            compressor = compressor.checked();
        }
    }

    /** Frees what the codec holds. */
    @TearDown
    public void close() {
        compressor.close();
    }

    /** A segment from chunks to what is stored. */
    @Benchmark
    public int segment() {
        next = (next + 1) % SEGMENTS;
        builder.clear();
        for (int i = 0; i < CHUNKS; i++) {
            int at = (next * CHUNKS + i) * CHUNK;
            hasher.chunk(data, at, CHUNK, id, 0);
            builder.add(id, 0, data, at, CHUNK);
        }
        return builder.encode(compressor);
    }
}
