package io.genievm.benchmarks;

import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.PointDiff;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.nbd.NbdStatusCursor;
import io.genievm.storage.internal.images.ImagesProvider;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Pulling the extents of a disk, from wherever they come: each benchmark opens a list of 8192 and goes through it. An
 * operation is one extent. What is made of them is in {@link BitmapBenchmark}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@OperationsPerInvocation(ExtentCursorBenchmark.EXTENTS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ExtentCursorBenchmark {
    static final int EXTENTS = 8192;

    /** As much of it is data as are holes. */
    private static final int GRAIN = LateNbdServer.GRAIN;

    private static final long CAPACITY = 2L * EXTENTS * GRAIN;

    private static long walk(ExtentCursor extents) {
        long sum = 0;
        long count = 0;
        try (extents) {
            while (extents.next()) {
                sum += extents.offset() + extents.length();
                count++;
            }
        }
        if (count != EXTENTS) {
            throw new IllegalStateException(count + " extents instead of " + EXTENTS);
        }
        return sum;
    }

    /** A list in memory. */
    @State(Scope.Benchmark)
    public static class Listed {
        private final List<Extent> extents = new ArrayList<>();

        /** Makes it. */
        @Setup
        public void fill() {
            for (int i = 0; i < EXTENTS; i++) {
                extents.add(new Extent(2L * i * GRAIN, GRAIN));
            }
        }
    }

    /** An image with holes, and a list of changes beside it. */
    @State(Scope.Benchmark)
    public static class Image {
        private static final ChangeToken SINCE = new ChangeToken("T1");

        private Path folder;
        private Path image;
        private Path changes;
        private HypervisorConnection connection;
        private VmSnapshot snapshot;
        private SnapshotDisk disk;

        /** Makes them. */
        @Setup
        public void make() throws IOException {
            folder = Files.createTempDirectory("extents");
            image = folder.resolve("disk.raw");
            changes = folder.resolve("disk.raw.changes");
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw");
                    BufferedWriter list = Files.newBufferedWriter(changes)) {
                file.setLength(CAPACITY);
                list.write("{\"token\":\"T2\",\"since\":\"T1\"}\n");
                for (int i = 0; i < EXTENTS; i++) {
                    long offset = 2L * i * GRAIN;
                    file.seek(offset);
                    file.write(1);
                    list.write("{\"offset\":" + offset + ",\"length\":" + GRAIN + "}\n");
                }
            }
            connection = new ImagesProvider().open(HypervisorConfig.of("images:" + image));
            snapshot = connection.beginSnapshot(
                    connection.vms().vms().get(0).id(),
                    SnapshotRequest.builder(new RepositoryId("0".repeat(32)), new SessionId("1".repeat(32)))
                            .build());
            disk = snapshot.disks().get(0);
        }

        /** Removes them. */
        @TearDown
        public void remove() throws IOException {
            snapshot.close();
            connection.close();
            Files.delete(image);
            Files.delete(changes);
            Files.delete(folder);
        }
    }

    /** An export that is allocated in stripes. */
    @State(Scope.Benchmark)
    public static class Export {
        private Path folder;
        private LateNbdServer server;
        private NbdPool pool;

        /** Starts the server and connects. */
        @Setup
        public void open() throws IOException {
            folder = Files.createTempDirectory("nbd");
            Path socket = folder.resolve("socket");
            server = new LateNbdServer(socket, CAPACITY, ByteBuffer.allocateDirect(0), 0);
            pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION), 1);
        }

        /** Disconnects and stops the server. */
        @TearDown
        public void close() throws IOException {
            pool.close();
            server.close();
            Files.delete(folder);
        }
    }

    /** Two points of a disk, of which every second chunk has changed. */
    @State(Scope.Benchmark)
    public static class Points {
        private static final int CHUNK = 4096;

        private final GenieVm genie = GenieVm.builder()
                .blobStoreProvider(new GivenStoreProvider(new SlabBlobStore(5 * EXTENTS * CHUNK)))
                .open();
        private final Repository repository =
                genie.createRepository(GivenStoreProvider.ADDRESS, new RepositoryOptions(CHUNK, 1 << 20, 32 << 20));
        private SessionId before;
        private SessionId after;

        /** Makes them. */
        @Setup
        public void make() throws InterruptedException {
            byte[] content = SyntheticData.of(SyntheticData.Kind.RANDOM, 2 * EXTENTS * CHUNK);
            before = point(content);
            for (int i = 0; i < EXTENTS; i++) {
                content[2 * i * CHUNK]++;
            }
            after = point(content);
        }

        private SessionId point(byte[] content) throws InterruptedException {
            ArrayDisk disk = new ArrayDisk(content);
            BackupRequest request = BackupRequest.builder(OneDiskConnection.VM)
                    .codec(Codec.NONE)
                    .audit(AuditMode.NONE)
                    .build();
            return repository
                    .backup(new OneDiskConnection(content.length, disk, disk), request)
                    .await()
                    .point();
        }

        /** Closes the repository. */
        @TearDown
        public void close() {
            repository.close();
            genie.close();
        }
    }

    /** A list in memory. */
    @Benchmark
    public long list(Listed listed) {
        return walk(ExtentCursor.of(listed.extents));
    }

    /** What a file system says of the holes of an image. */
    @Benchmark
    public long holes(Image image) {
        return walk(image.disk.allocated());
    }

    /** What a list of changes beside an image says. */
    @Benchmark
    public long changes(Image image) {
        if (image.disk.changesSince(Image.SINCE) instanceof Changes.Known known) {
            return walk(known.extents());
        }
        throw new IllegalStateException("the list of changes is of no use");
    }

    /** What an NBD server says is allocated. */
    @Benchmark
    public long nbd(Export export) {
        return walk(export.pool
                .status(0, CAPACITY)
                .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) == 0));
    }

    /** What the maps of two points say of their difference. */
    @Benchmark
    public long difference(Points points) {
        try (PointDiff difference = points.repository.diff(points.before, points.after)) {
            return walk(difference.disks().get(0).extents());
        }
    }
}
