package io.genievm.core.testing;

import io.genievm.api.DiskId;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.DamagedPointException;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryVm;
import io.genievm.testkit.fault.FaultyBlobStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A repository in memory, a hypervisor in memory, and what was backed up, to compare with. For one thread. */
public final class Lab implements AutoCloseable {
    /** Small in every direction, so that little data makes many objects: packs of 1 MiB, two levels of map above 4 MiB. */
    public static final RepositoryOptions SMALL = new RepositoryOptions(4096, 32 << 10, 1 << 20);

    /** Enough for eight attempts or so, and hardly to be felt where a store is dead. */
    private static final Duration PATIENCE = Duration.ofMillis(10);

    private static final BlobStoreConfig PLACE = BlobStoreConfig.of("lab:place");

    private final InterceptedStore store = new InterceptedStore();
    private final FaultyBlobStore faulty = new FaultyBlobStore(store);
    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final HypervisorConnection connection = hypervisor.connect();
    private final Map<SessionId, Map<DiskId, byte[]>> truth = new TreeMap<>(Comparator.comparing(SessionId::value));
    private final Map<SessionId, VmId> vms = new TreeMap<>(Comparator.comparing(SessionId::value));
    private final Path directory;
    private final GenieVm genie;
    private Repository repository;

    public Lab() {
        this(SMALL);
    }

    public Lab(RepositoryOptions options) {
        this(options, 2);
    }

    public Lab(RepositoryOptions options, int parallelism) {
        this(options, parallelism, builder -> builder);
    }

    /** One with settings that are not public. */
    public Lab(RepositoryOptions options, int parallelism, UnaryOperator<GenieVm.Builder> settings) {
        try {
            directory = Files.createTempDirectory("genievm-lab");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        genie = settings.apply(GenieVm.builder()
                        .blobStoreProvider(new OneStore("lab", faulty))
                        .workDirectory(directory.resolve("work"))
                        .memoryBudget(16 << 20)
                        .parallelism(parallelism)
                        .storePatience(PATIENCE)
                        .clock(Clock.fixed(Instant.parse("2026-11-21T08:40:00Z"), ZoneOffset.UTC)))
                .open();
        repository = genie.createRepository(PLACE, options);
    }

    public InterceptedStore store() {
        return store;
    }

    /** What the repository works with: the store, of which calls may go wrong before they come there. */
    public FaultyBlobStore faulty() {
        return faulty;
    }

    public InMemoryHypervisor hypervisor() {
        return hypervisor;
    }

    public GenieVm genie() {
        return genie;
    }

    public Repository repository() {
        return repository;
    }

    /** Creates a repository anew, after all objects of the last one were taken away. */
    public void recreate() {
        repository.close();
        repository = genie.createRepository(PLACE, SMALL);
    }

    /** Opens the repository anew, as another process does. */
    public Repository reopen() {
        repository.close();
        repository = genie.openRepository(PLACE);
        return repository;
    }

    public BackupReport backup(String vm) {
        return backup(BackupRequest.builder(new VmId(vm)).codec(Codec.NONE).build());
    }

    public BackupReport backup(BackupRequest request) {
        Map<DiskId, byte[]> content = contentOf(request.vm());
        BackupReport report = await(repository.backup(connection, request));
        remember(report, content);
        return report;
    }

    /** Adds a VM with a disk of random bytes. */
    public InMemoryVm addVm(String id, int bytes) {
        InMemoryVm vm = hypervisor.addVm(id);
        vm.addDisk("root", random(id.hashCode(), bytes));
        return vm;
    }

    /** Writes random bytes to the beginning of the disk that {@link #addVm} has made. */
    public void change(String vm, int seed, int bytes) {
        hypervisor.vm(vm).disk("root").write(0, random(seed, bytes));
    }

    public static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Backs up while a store call goes wrong, as an interceptor has it, and gives the failure. */
    public GenieVmException failingBackup(String vm, InterceptedStore.Interceptor interceptor) {
        store.intercept(interceptor);
        GenieVmException failure = failureOf(beginBackup(vm));
        store.stopIntercepting();
        return failure;
    }

    /** Backs up while something goes on in the store, as an interceptor has it. */
    public BackupReport backup(String vm, InterceptedStore.Interceptor interceptor) {
        store.intercept(interceptor);
        try {
            return backup(vm);
        } finally {
            store.stopIntercepting();
        }
    }

    /** Fails unless every disk of a point is restored as it was. */
    public void assertRestores(SessionId point) {
        Restored restored = restore(point);
        if (restored.failure() != null) {
            throw new AssertionError("point " + point + " can not be restored", restored.failure());
        }
        truth.get(point).forEach((disk, bytes) -> {
            if (!Arrays.equals(bytes, restored.whole().get(disk))) {
                throw new AssertionError("disk " + disk + " of point " + point + " was restored wrong");
            }
        });
    }

    /** Fails unless verify finds nothing. */
    public void assertWhole() {
        VerifyReport report = verify();
        if (!report.isOk()) {
            throw new AssertionError("verify found " + report.damage());
        }
    }

    /** Begins a backup; its point is not known for comparisons before {@link #remember}. */
    public TaskHandle<BackupReport> beginBackup(String vm) {
        return repository.backup(
                connection,
                BackupRequest.builder(new VmId(vm)).codec(Codec.NONE).build());
    }

    /** What the disks of a VM hold now. */
    public Map<DiskId, byte[]> contentOf(VmId vm) {
        Map<DiskId, byte[]> content = new TreeMap<>();
        for (InMemoryDisk disk : hypervisor.vm(vm.value()).disks()) {
            content.put(disk.id(), disk.content());
        }
        return content;
    }

    public void remember(BackupReport report, Map<DiskId, byte[]> content) {
        remember(report.point(), report.vm(), content);
    }

    public void remember(SessionId point, VmId vm, Map<DiskId, byte[]> content) {
        truth.put(point, content);
        vms.put(point, vm);
    }

    /** All points that were made here, by id. */
    public Set<SessionId> points() {
        return truth.keySet();
    }

    public VmId vmOf(SessionId point) {
        return vms.get(point);
    }

    /** What a point should hold. */
    public Map<DiskId, byte[]> truth(SessionId point) {
        return truth.get(point);
    }

    public VerifyReport verify() {
        return verify(VerifyRequest.EVERYTHING);
    }

    public VerifyReport verify(VerifyRequest request) {
        return await(repository.verify(request));
    }

    /** Restores a point, or the latest where it is {@code null}, into a folder that is removed by the next restore. */
    public RestoreReport restore(String vm, SessionId point) {
        RestoreRequest.Builder request = RestoreRequest.builder(new VmId(vm)).toFolder(emptyFolder());
        if (point != null) {
            request.point(point);
        }
        return await(repository.restore(request.build()));
    }

    /** What a restore gave. */
    public record Restored(Map<DiskId, byte[]> whole, Map<DiskId, byte[]> incomplete, DamagedPointException failure) {}

    /** Restores a point as far as it goes. */
    public Restored restore(SessionId point) {
        DamagedPointException failure = null;
        try {
            restore(vmOf(point).value(), point);
        } catch (DamagedPointException e) {
            failure = e;
        }
        Map<DiskId, byte[]> whole = new TreeMap<>();
        Map<DiskId, byte[]> incomplete = new TreeMap<>();
        for (DiskId disk : truth.get(point).keySet()) {
            read(restoreFolder().resolve(disk.value()), disk, whole);
            read(restoreFolder().resolve(disk.value() + ".incomplete"), disk, incomplete);
        }
        return new Restored(whole, incomplete, failure);
    }

    public Path restoreFolder() {
        return directory.resolve("restored");
    }

    public Path emptyFolder() {
        removeRecursively(restoreFolder());
        return restoreFolder();
    }

    public HypervisorConnection connection() {
        return connection;
    }

    @Override
    public void close() {
        genie.close();
        connection.close();
        removeRecursively(directory);
    }

    /** Waits for a task; fails instead of waiting for ever. */
    public static <T> T await(TaskHandle<T> task) {
        try {
            return task.await(Duration.ofMinutes(2))
                    .orElseThrow(() -> new AssertionError(task.name() + " has not ended: " + task.progress()));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** The failure of a task that should fail. */
    public static GenieVmException failureOf(TaskHandle<?> task) {
        try {
            Object result = await(task);
            throw new AssertionError(task.name() + " should have failed and gave " + result);
        } catch (GenieVmException e) {
            return e;
        }
    }

    private static void read(Path path, DiskId disk, Map<DiskId, byte[]> into) {
        if (Files.exists(path)) {
            try {
                into.put(disk, Files.readAllBytes(path));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static void removeRecursively(Path path) {
        if (!Files.exists(path)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(path)) {
            List<Path> deepestFirst = paths.sorted(Comparator.reverseOrder()).toList();
            for (Path each : deepestFirst) {
                Files.deleteIfExists(each);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
