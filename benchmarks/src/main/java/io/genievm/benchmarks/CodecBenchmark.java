package io.genievm.benchmarks;

import io.genievm.core.Codec;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.format.SegmentBuilder;
import io.genievm.core.internal.format.SegmentType;
import java.util.Arrays;
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
 * The codecs, both ways, with the checksums that go with them: from a full segment of 1 MiB to what is stored, and back. An
 * operation is 1 MiB of content.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class CodecBenchmark {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS = 16;
    // More than the caches near a core hold, as when reading a disk.
    private static final int SEGMENTS = 16;

    private final SegmentBuilder[] builders = new SegmentBuilder[SEGMENTS];
    private final byte[][] stored = new byte[SEGMENTS][];
    private final Segment segment = new Segment(CHUNK, CHUNKS * CHUNK);
    private Compressor compressor;
    private int next;

    /** How it is compressed. */
    @Param({"none", "lz4", "zstd:1", "zstd:3"})
    public String codec;

    /** What is compressed. */
    @Param({"BINARY", "RANDOM"})
    public SyntheticData.Kind data;

    /** Fills the segments, and encodes them once. */
    @Setup
    public void fill() {
        compressor = Compressor.of(Codec.parse(codec));
        byte[] content = SyntheticData.of(data, SEGMENTS * CHUNKS * CHUNK);
        byte[] id = new byte[IdHasher.ID_BYTES];
        IdHasher hasher = new IdHasher();
        for (int i = 0; i < SEGMENTS; i++) {
            SegmentBuilder builder = new SegmentBuilder(SegmentType.CHUNKS, CHUNKS * CHUNK, CHUNKS);
            for (int chunk = 0; chunk < CHUNKS; chunk++) {
                int at = (i * CHUNKS + chunk) * CHUNK;
                hasher.chunk(content, at, CHUNK, id, 0);
                builder.add(id, 0, content, at, CHUNK);
            }
            builders[i] = builder;
            int length = builder.encode(compressor);
            stored[i] = Arrays.copyOf(builder.encoded(), length);
        }
    }

    /** Frees what the codecs hold. */
    @TearDown
    public void close() {
        segment.close();
        compressor.close();
    }

    /** Content to what is stored. */
    @Benchmark
    public int compress() {
        next = (next + 1) % SEGMENTS;
        return builders[next].encode(compressor);
    }

    /** What is stored to content, copied from where a store would have it. */
    @Benchmark
    public int decompress() {
        open();
        return segment.count();
    }

    /** The same, and each chunk checked against its id, as restore and verification do. */
    @Benchmark
    public int decompressAndCheck() {
        open();
        int good = 0;
        for (int i = 0; i < CHUNKS; i++) {
            good += segment.checkContent(i) ? 1 : 0;
        }
        return good;
    }

    private void open() {
        next = (next + 1) % SEGMENTS;
        byte[] bytes = stored[next];
        System.arraycopy(bytes, 0, segment.buffer(bytes.length), 0, bytes.length);
        segment.open("a segment", bytes.length);
    }
}
