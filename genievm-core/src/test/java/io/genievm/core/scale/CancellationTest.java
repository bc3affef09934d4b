package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.TaskCancelledException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskState;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyRequest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import io.genievm.testkit.InMemoryBlobStore;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryVm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A task that is cancelled ends within seconds, whatever it is doing, and leaves nothing behind. */
class CancellationTest {
    private static final Duration SECONDS = Duration.ofSeconds(3);
    private static final RepositoryOptions OPTIONS = new RepositoryOptions(4096, 16 * 4096, 1 << 20);
    private static final long CAPACITY = 12 << 20;

    @TempDir
    private Path folder;

    private final InMemoryBlobStore objects = new InMemoryBlobStore();
    private final SlowStore store = new SlowStore(objects, 0);
    private final SyntheticHost host = new SyntheticHost(
            new SyntheticHost.Disk("a", CAPACITY, Noise.random(1)),
            new SyntheticHost.Disk("b", CAPACITY + 1, Noise.holey(2)));
    private final InMemoryHypervisor tracked = new InMemoryHypervisor();
    private @Nullable HypervisorConnection other;
    private Site site;

    @BeforeEach
    void create() throws Exception {
        // Readers that take one call at a time, so that they are opened and closed like those of a hypervisor.
        host.limits = new DiskLimits(2, 1, 1 << 20, 1);
        tracked.trackChanges(true);
        site = Site.create(
                store, OPTIONS, host, settings -> settings.parallelism(3).workDirectory(folder.resolve("work")));
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        store.millis = 0;
        host.beforeRead = () -> {};
        site.verify();
        site.backUp(Codec.LZ4);
        site.verify();
        site.restore();
        site.close();
        if (other != null) {
            other.close();
        }
        assertThat(host.openReaders).hasValue(0);
        assertThat(openFiles()).isEmpty();
        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(Files::isRegularFile)).isEmpty();
        }
        eventually(SyntheticHost::threads);
    }

    static Stream<Arguments> endings() {
        Map<String, List<TaskPhase>> phases = Map.of(
                "backup", List.of(TaskPhase.PREPARE, TaskPhase.COPY, TaskPhase.COMMIT),
                "incremental", List.of(TaskPhase.PREPARE, TaskPhase.AUDIT, TaskPhase.COPY, TaskPhase.COMMIT),
                "restore", List.of(TaskPhase.PREPARE, TaskPhase.COPY, TaskPhase.COMMIT),
                "restore over", List.of(TaskPhase.PREPARE, TaskPhase.COMPARE, TaskPhase.COPY, TaskPhase.COMMIT),
                "verify", List.of(TaskPhase.STRUCTURE, TaskPhase.DATA));
        return phases.entrySet().stream()
                .flatMap(task -> task.getValue().stream()
                        .flatMap(phase ->
                                Stream.of(Ending.values()).map(ending -> Arguments.of(task.getKey(), phase, ending))));
    }

    private enum Ending {
        CANCEL,
        PAUSE_AND_RESUME,
        PAUSE_AND_CANCEL,
        CLOSE
    }

    @ParameterizedTest
    @MethodSource("endings")
    void inEachPhase(String name, TaskPhase phase, Ending ending) throws Exception {
        TaskHandle<?> task = begin(name);
        awaitPhase(phase, task);
        switch (ending) {
            case CANCEL -> {
                task.cancel();
                awaitCancelled(task, true);
            }
            case PAUSE_AND_RESUME -> {
                task.pause();
                Thread.sleep(50);
                task.resume();
                assertThat(task.await(Duration.ofMinutes(1))).isPresent();
            }
            case PAUSE_AND_CANCEL -> {
                task.pause();
                Thread.sleep(50);
                task.cancel();
                awaitCancelled(task, true);
            }
            case CLOSE -> closeAndOpenAgain(task);
        }
        assertOnlyWholePoints();
        assertNoHalfRestore();
        assertThat(host.abandoned || host.committed || !name.equals("backup") || phase == TaskPhase.PREPARE)
                .isTrue();
    }

    private TaskHandle<?> begin(String name) throws InterruptedException {
        switch (name) {
            case "backup":
                store.millis = 5;
                return backup();
            case "incremental":
                InMemoryVm vm = tracked.addVm("tracked");
                vm.addDisk("a", bytes(3)).write(0, bytes(4));
                other = tracked.connect();
                site.repository.backup(other, incremental(vm)).await();
                vm.disks().get(0).write(CAPACITY / 2, Arrays.copyOf(bytes(5), 100_000));
                store.millis = 5;
                return site.repository.backup(other, incremental(vm));
            case "restore over":
                InMemoryVm over = tracked.addVm("over");
                over.addDisk("a", bytes(3));
                other = tracked.connect();
                site.repository
                        .backup(other, BackupRequest.builder(over.id()).build())
                        .await();
                over.disks().get(0).write(0, bytes(6));
                over.shutOff(true);
                store.millis = 5;
                return site.repository.restore(RestoreRequest.builder(over.id())
                        .overVm(other, over.id())
                        .build());
            case "restore":
                site.backUp(Codec.DEFAULT);
                store.millis = 2;
                return restore();
            case "verify":
                site.backUp(Codec.DEFAULT);
                store.millis = 2;
                return site.repository.verify(VerifyRequest.EVERYTHING);
            default:
                throw new IllegalArgumentException(name);
        }
    }

    private static BackupRequest incremental(InMemoryVm vm) {
        return BackupRequest.builder(vm.id()).audit(AuditMode.FULL).build();
    }

    private static byte[] bytes(long seed) {
        byte[] bytes = new byte[(int) CAPACITY];
        new SplittableRandom(seed).nextBytes(bytes);
        return bytes;
    }

    private void closeAndOpenAgain(TaskHandle<?> task) throws Exception {
        InMemoryBlobStore again = objects.reopen();
        long start = System.nanoTime();
        site.close();
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SECONDS);
        assertThat(task.state()).isIn(TaskState.CANCELLED, TaskState.COMPLETED);
        eventually(SyntheticHost::threads);
        site = Site.open(again, host, settings -> settings.workDirectory(folder.resolve("work")));
    }

    @Tag("torture")
    @RepeatedTest(10)
    void atAnyMoment(RepetitionInfo repetition) throws Exception {
        int base = repetition.getCurrentRepetition() * 1000;
        for (int seed = base; seed < base + Torture.scaled(20); seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            store.millis = random.nextInt(4);
            List<Supplier<TaskHandle<?>>> kinds = new ArrayList<>(List.of(this::backup));
            if (!site.repository.points().points().isEmpty()) {
                kinds.add(this::restore);
                kinds.add(() -> site.repository.verify(VerifyRequest.EVERYTHING));
            }
            TaskHandle<?> task = kinds.get(random.nextInt(kinds.size())).get();
            LockSupport.parkNanos(random.nextLong(TimeUnit.MILLISECONDS.toNanos(400)));
            task.cancel();
            try {
                awaitCancelled(task, true);
                assertOnlyWholePoints();
                assertNoHalfRestore();
            } catch (AssertionError e) {
                throw new AssertionError("with seed " + seed + ", " + task.name(), e);
            }
        }
    }

    @Test
    void aReaderThatWouldWaitForEver() throws Exception {
        CountDownLatch reading = new CountDownLatch(1);
        host.beforeRead = () -> {
            reading.countDown();
            // Until the core closes the reader, as the driver's contract says.
            while (host.openReaders.get() > 0) {
                LockSupport.parkNanos(1_000_000);
            }
        };
        TaskHandle<BackupReport> task = backup();
        reading.await();
        task.cancel();
        awaitCancelled(task, false);
        assertOnlyWholePoints();
    }

    /** A long list of points and tables behind a long line, long before anything is copied. */
    @Test
    void whileTheListOfPointsAndTheIndexAreRead() throws Exception {
        for (int i = 0; i < 60; i++) {
            site.backUp(Codec.NONE);
            host.age++;
        }
        store.millis = 200;
        for (Supplier<TaskHandle<?>> start : List.<Supplier<TaskHandle<?>>>of(
                this::backup, this::restore, () -> site.repository.verify(VerifyRequest.EVERYTHING))) {
            for (long wait : new long[] {100, 1500}) {
                TaskHandle<?> task = start.get();
                Thread.sleep(wait);
                task.cancel();
                awaitCancelled(task, false);
            }
        }
        assertOnlyWholePoints();
    }

    private TaskHandle<BackupReport> backup() {
        return site.repository.backup(
                host, BackupRequest.builder(SyntheticHost.VM).codec(Codec.LZ4).build());
    }

    private TaskHandle<?> restore() {
        return site.repository.restore(RestoreRequest.builder(SyntheticHost.VM)
                .toFolder(folder.resolve("target"))
                .build());
    }

    private static void awaitPhase(TaskPhase phase, TaskHandle<?> task) throws InterruptedException {
        CountDownLatch reached = new CountDownLatch(1);
        task.addListener(event -> {
            if (event instanceof TaskEvent.PhaseStarted started
                            && started.phase().compareTo(phase) >= 0
                    || event instanceof TaskEvent.Finished) {
                reached.countDown();
            }
        });
        if (task.progress().phase() != phase) {
            assertThat(reached.await(1, TimeUnit.MINUTES)).isTrue();
        }
    }

    private static void awaitCancelled(TaskHandle<?> task, boolean orDone) throws InterruptedException {
        long start = System.nanoTime();
        if (orDone) {
            try {
                assertThat(task.await(SECONDS)).isPresent();
                return;
            } catch (TaskCancelledException e) {
                assertThat(task.state()).isEqualTo(TaskState.CANCELLED);
            }
        } else {
            assertThatThrownBy(() -> assertThat(task.await(SECONDS)).isPresent())
                    .as(task.name() + " in " + task.progress())
                    .isInstanceOf(TaskCancelledException.class);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SECONDS);
    }

    /** No session is open, and no pack is there but those of points and those that an index table names. */
    private void assertOnlyWholePoints() {
        List<String> left = new ArrayList<>();
        List<String> tables = keys(ObjectKeys.INDEX);
        List<String> points = keys(ObjectKeys.POINTS);
        left.addAll(keys(ObjectKeys.SESSIONS));
        left.addAll(keys(ObjectKeys.PROGRESS));
        for (String pack : keys(ObjectKeys.PACKS)) {
            String session = PackName.ofKey(pack).session().value();
            if (points.stream().noneMatch(point -> point.endsWith(session))
                    && tables.stream().noneMatch(table -> table.contains(session))) {
                left.add(pack);
            }
        }
        assertThat(left).isEmpty();
        assertThat(keys(ObjectKeys.WITNESS)).hasSameSizeAs(points);
    }

    private void assertNoHalfRestore() throws Exception {
        Path target = folder.resolve("target");
        if (Files.exists(target)) {
            try (Stream<Path> files = Files.list(target)) {
                assertThat(files.map(file -> file.getFileName().toString()).sorted())
                        .containsExactly("a", "b");
            }
            Files.delete(target.resolve("a"));
            Files.delete(target.resolve("b"));
            Files.delete(target);
        }
    }

    private List<String> keys(String prefix) {
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = objects.reopen().list(prefix)) {
            while (cursor.next()) {
                keys.add(cursor.entry().key());
            }
        }
        return keys;
    }

    /** What this process has open in the folder, files without a name included. */
    private List<String> openFiles() throws IOException {
        List<String> open = new ArrayList<>();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors.toList()) {
                try {
                    open.add(Files.readSymbolicLink(descriptor).toString());
                } catch (NoSuchFileException e) {
                    // That of the listing itself.
                }
            }
        }
        open.removeIf(path -> !path.startsWith(folder.toString()));
        return open;
    }

    private static void eventually(Supplier<List<String>> empty) throws InterruptedException {
        for (int i = 0; i < 100 && !empty.get().isEmpty(); i++) {
            Thread.sleep(50);
        }
        assertThat(empty.get()).isEmpty();
    }
}
