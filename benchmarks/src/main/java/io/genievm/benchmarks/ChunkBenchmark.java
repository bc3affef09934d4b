package io.genievm.benchmarks;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkMatcher;
import io.genievm.core.internal.spi.IoBuffers;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
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
 * What every chunk of a disk costs before it is known whether it is stored: the test for zero, its id, and the comparison
 * with what a map says. An operation is 1 MiB, 16 chunks.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(2)
public class ChunkBenchmark {
    private static final int CHUNK = 1 << 16;
    private static final int CHUNKS_OF_A_MIB = 16;
    // More than the caches near a core hold, as when reading a disk.
    private static final int CHUNKS = 1 << 10;

    private final byte[] data = new byte[CHUNKS * CHUNK];
    private final ByteBuffer read = IoBuffers.allocate(CHUNKS * CHUNK);
    private final byte[] zeroes = new byte[CHUNK];
    private final byte[] id = new byte[IdHasher.ID_BYTES];
    private final IdHasher hasher = new IdHasher();
    private final ChunkMatcher matcher = new ChunkMatcher(CHUNK);
    private final MapPage page = new MapPage(0);
    private int next;

    /** What the chunks hold. */
    public enum Content {
        /** Zeroes only: the test must look at all of it. */
        ZEROES,
        /** Random bytes: the test ends at once. */
        RANDOM
    }

    /** What the chunks hold. */
    @Param
    public Content content;

    /** Fills the chunks, and a page of a map that names them. */
    @Setup
    public void fill() {
        if (content == Content.RANDOM) {
            new Random(1).nextBytes(data);
            read.put(0, data);
            for (int chunk = 0; chunk < CHUNKS; chunk++) {
                hasher.chunk(data, chunk * CHUNK, CHUNK, page.ids(), MapPage.offset(chunk));
            }
        }
    }

    /** The test for zero. */
    @Benchmark
    public int zeroTest() {
        int zero = 0;
        for (int i = 0; i < CHUNKS_OF_A_MIB; i++) {
            int at = nextChunk();
            zero += Arrays.equals(data, at, at + CHUNK, zeroes, 0, CHUNK) ? 1 : 0;
        }
        return zero;
    }

    /** The ids of chunks. */
    @Benchmark
    public byte[] id() {
        for (int i = 0; i < CHUNKS_OF_A_MIB; i++) {
            hasher.chunk(data, nextChunk(), CHUNK, id, 0);
        }
        return id;
    }

    /** Whether chunks are what a map says, as an audit asks, and a restore over what is there. */
    @Benchmark
    public int match() {
        int same = 0;
        for (int i = 0; i < CHUNKS_OF_A_MIB; i++) {
            int at = nextChunk();
            same += matcher.isSame(read, at, page, next) ? 1 : 0;
        }
        return same;
    }

    private int nextChunk() {
        next = (next + 1) % CHUNKS;
        return next * CHUNK;
    }
}
