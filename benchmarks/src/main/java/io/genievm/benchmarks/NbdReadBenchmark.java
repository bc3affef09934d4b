package io.genievm.benchmarks;

import io.genievm.api.DiskId;
import io.genievm.core.internal.plan.BoundedReader;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.task.Workers;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Reading from a server that answers late, with the NBD client and the queue of runs that a backup reads with: how many
 * threads it takes to hide how late it is. Nothing is done with what is read. The server is in this process and copies what
 * is read into a socket, so both sides share the processors. An operation is 1 MiB.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(NbdReadBenchmark.MIBS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class NbdReadBenchmark {
    static final int MIBS = 64;

    private static final int CHUNK = 1 << 16;
    private static final int RUN = 1 << 20;

    /** How late each answer is, in microseconds: not at all, as a guest's image in the page cache, and as a disk. */
    @Param({"0", "500", "4000"})
    public long delayMicros;

    /** How many threads read, one run of 1 MiB each at a time. */
    @Param({"1", "2", "8"})
    public int readers;

    /** How many connections there are. */
    @Param({"1"})
    public int connections;

    private final ChunkBitmap everything = ChunkBitmap.full((long) MIBS * RUN / CHUNK);
    private final DiskId disk = new DiskId("disk");
    private ExecutorService executor;
    private ThreadLocal<ByteBuffer> buffers;
    private Path folder;
    private LateNbdServer server;
    private NbdPool pool;

    /** Starts the server and connects. */
    @Setup
    public void open() throws IOException {
        ByteBuffer content = ByteBuffer.allocateDirect(MIBS * RUN)
                .put(SyntheticData.of(SyntheticData.Kind.BINARY, MIBS * RUN))
                .clear();
        folder = Files.createTempDirectory("nbd");
        Path socket = folder.resolve("socket");
        server = new LateNbdServer(socket, content.capacity(), content, delayMicros);
        pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, connections);
        executor = Executors.newFixedThreadPool(readers);
        buffers = ThreadLocal.withInitial(() -> ByteBuffer.allocateDirect(RUN));
    }

    /** Disconnects and stops the server. */
    @TearDown
    public void close() throws IOException {
        pool.close();
        server.close();
        executor.shutdown();
        Files.delete(folder);
    }

    /** Reads all of the disk. */
    @Benchmark
    public long read() {
        RunQueue queue = new RunQueue(List.of(new RunQueue.Source(everything, readers)), RUN / CHUNK);
        BoundedReader reader = new BoundedReader(disk, pool, pool.limits());
        LongAdder bytes = new LongAdder();
        new Workers(executor, readers).run(stop -> {
            ByteBuffer buffer = buffers.get();
            for (RunQueue.Run run = queue.take(stop); run != null; run = queue.take(stop)) {
                reader.read(run.first() * CHUNK, buffer.clear().limit(run.count() * CHUNK));
                queue.release(run);
                bytes.add(buffer.position());
            }
        });
        return bytes.sum();
    }
}
