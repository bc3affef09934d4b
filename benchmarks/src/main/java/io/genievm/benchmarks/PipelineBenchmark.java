package io.genievm.benchmarks;

import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
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
 * Whole passes of the engine over a disk of 256 MiB, from memory to memory: what is left when no device is waited for. An
 * operation is 1 MiB of the disk, a 256th of a pass.
 *
 * <p>With {@code -prof gc}, {@code gc.alloc.rate.norm} is the bytes of heap that are allocated for a MiB, in all threads.
 * Disk and store allocate next to nothing, so they are the engine's; most of them are what a pass takes once, whatever
 * the size of its disk, divided by 256. {@link SteadyCopyBenchmark} leaves that out. Memory outside of the heap, which packs
 * and reads take, is not counted.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@OperationsPerInvocation(PipelineBenchmark.MIBS)
@Warmup(iterations = 8)
@Measurement(iterations = 10)
@Fork(1)
public class PipelineBenchmark {
    static final int MIBS = 256;

    private static final int CAPACITY = MIBS << 20;
    // What can not be shrunk fits as well, with maps, index and some points.
    private static final int STORE = CAPACITY + CAPACITY / 8;

    /** How it is compressed. */
    @Param({"none", "lz4", "zstd:1"})
    public String codec;

    /** Milliseconds that each read of the disk waits, as a network or a busy disk has it. */
    @Param({"0"})
    public int readMillis;

    private final byte[] content = SyntheticData.of(SyntheticData.Kind.BINARY, CAPACITY);
    private final SlabBlobStore store = new SlabBlobStore(STORE);
    private final GenieVm genie =
            GenieVm.builder().blobStoreProvider(new GivenStoreProvider(store)).open();
    private HypervisorConnection connection;
    private @Nullable Repository repository;

    /** Makes the VM. */
    @Setup
    public void makeVm() {
        connection = connect(new ArrayDisk(new byte[0]));
    }

    private HypervisorConnection connect(ArrayDisk target) {
        ArrayDisk source = new ArrayDisk(content);
        return new OneDiskConnection(CAPACITY, readMillis == 0 ? source : new Late(source, readMillis), target);
    }

    /** Reads that wait before they are answered, each on its own. */
    private record Late(DiskReader reader, int millis) implements DiskReader {
        @Override
        public void read(long offset, ByteBuffer target) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
            reader.read(offset, target);
        }

        @Override
        public void close() {
            reader.close();
        }
    }

    /** A repository that has the disk. */
    @State(Scope.Benchmark)
    public static class Filled {
        /** Makes it. */
        @Setup
        public void fill(PipelineBenchmark benchmark) throws InterruptedException {
            benchmark.emptyRepository();
            benchmark.backup();
        }
    }

    /** One that has not, anew for each pass. */
    @State(Scope.Benchmark)
    public static class Empty {
        /** Makes it. */
        @Setup(Level.Invocation)
        public void empty(PipelineBenchmark benchmark) {
            benchmark.emptyRepository();
        }
    }

    /** A place to restore to, which is compared with the disk at the end. */
    @State(Scope.Benchmark)
    public static class Target {
        private final byte[] restored = new byte[CAPACITY];
        private byte[] content = new byte[0];
        private HypervisorConnection connection;

        /** Makes it. */
        @Setup
        public void make(PipelineBenchmark benchmark) {
            content = benchmark.content;
            connection = benchmark.connect(new ArrayDisk(restored));
        }

        /** Compares it. */
        @TearDown
        public void compare() {
            connection.close();
            if (!Arrays.equals(restored, content)) {
                throw new IllegalStateException("what was restored is not what was backed up");
            }
        }
    }

    private void emptyRepository() {
        closeRepository();
        store.empty();
        repository = genie.createRepository(GivenStoreProvider.ADDRESS, RepositoryOptions.DEFAULT);
    }

    private void closeRepository() {
        if (repository != null) {
            repository.close();
        }
    }

    private Repository repository() {
        return Objects.requireNonNull(repository);
    }

    /** Closes everything. */
    @TearDown
    public void close() {
        closeRepository();
        connection.close();
        genie.close();
    }

    private BackupReport backup() throws InterruptedException {
        BackupRequest request = BackupRequest.builder(OneDiskConnection.VM)
                .codec(Codec.parse(codec))
                .audit(AuditMode.NONE)
                .build();
        return repository().backup(connection, request).await();
    }

    /** The first backup: everything is new. */
    @Benchmark
    public BackupReport full(Empty empty) throws InterruptedException {
        return backup();
    }

    /** Another one, of which nothing is new, without a list of changes. */
    @Benchmark
    public BackupReport unchanged(Filled filled) throws InterruptedException {
        return backup();
    }

    /** All bytes back, checked, to a new VM. */
    @Benchmark
    public RestoreReport restore(Filled filled, Target target) throws InterruptedException {
        RestoreRequest request = RestoreRequest.builder(OneDiskConnection.VM)
                .toNewVm(target.connection, "restored")
                .build();
        return repository().restore(request).await();
    }

    /** All bytes checked. */
    @Benchmark
    public VerifyReport verify(Filled filled) throws InterruptedException {
        return repository().verify(VerifyRequest.EVERYTHING).await();
    }
}
