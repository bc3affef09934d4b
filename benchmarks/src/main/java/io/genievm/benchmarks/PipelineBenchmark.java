package io.genievm.benchmarks;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.testkit.InMemoryBlobStoreProvider;
import io.genievm.testkit.InMemoryHypervisor;
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
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Whole passes of the engine over a disk of 256 MiB, from memory to memory: what is left when no device is waited for.
 * With {@code -prof gc} the bytes that are allocated for a pass; divided by 256 they are those for a MiB.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 8)
@Measurement(iterations = 10)
@Fork(1)
public class PipelineBenchmark {
    private static final int CAPACITY = 256 << 20;
    private static final VmId VM = new VmId("vm");

    /** How it is compressed. */
    @Param({"none", "lz4", "zstd:1"})
    public String codec;

    /** Milliseconds that each read of the disk waits, as a network or a busy disk has it. */
    @Param({"0"})
    public int readMillis;

    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final byte[] content = SyntheticData.of(SyntheticData.Kind.BINARY, CAPACITY);
    private final GenieVm genie =
            GenieVm.builder().blobStoreProvider(new InMemoryBlobStoreProvider()).open();
    private final HypervisorConnection connection = hypervisor.connect();
    private @Nullable Repository repository;
    private int repositories;

    /** Makes the VM. */
    @Setup
    public void makeVm() {
        hypervisor.addVm("vm").addDisk("disk", content);
        if (readMillis > 0) {
            hypervisor.hook(event -> {
                if (event.call() == InMemoryHypervisor.Call.READ) {
                    LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(readMillis));
                }
            });
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

    private void emptyRepository() {
        closeRepository();
        repository = genie.createRepository(BlobStoreConfig.of("memory:" + repositories++), RepositoryOptions.DEFAULT);
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
        BackupRequest request = BackupRequest.builder(VM)
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

    /** All bytes checked. */
    @Benchmark
    public VerifyReport verify(Filled filled) throws InterruptedException {
        return repository().verify(VerifyRequest.EVERYTHING).await();
    }
}
