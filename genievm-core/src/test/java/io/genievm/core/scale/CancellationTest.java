package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.TaskCancelledException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobCursor;
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
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
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
    private List<String> openBefore = List.of();

    @BeforeEach
    void create() throws Exception {
        openBefore = openFiles();
        // Readers that take one call at a time, so that they are opened and closed like those of a hypervisor.
        host.limits = new DiskLimits(2, 1, 1 << 20, 1);
        tracked.trackChanges(true);
        site = Site.create(
                store, OPTIONS, host, settings -> settings.parallelism(3).workDirectory(folder.resolve("work")));
    }

    @AfterEach
    void nothingIsLeft() throws Exception {
        store.millis = 0;
        store.before = call -> {};
        host.beforeRead = () -> {};
        host.beforeComplete = () -> {};
        tracked.removeHook();
        site.verify();
        site.backUp(Codec.LZ4);
        site.verify();
        site.restore();
        site.close();
        if (other != null) {
            other.close();
        }
        assertThat(host.openReaders).hasValue(0);
        eventually(this::newlyOpenFiles);
        try (Stream<Path> files = Files.walk(folder)) {
            assertThat(files.filter(Files::isRegularFile)).isEmpty();
        }
        eventually(SyntheticHost::threads);
    }

    /**
     * Where a task is held: before a call of its store, of its hypervisor, or before a new VM is complete. A restore to a
     * folder, or over a VM, calls nothing more that could be held once it has all bytes.
     *
     * @param call how the call's name and key begin
     * @param tooLate whether the task has its result by then, whatever happens: its manifest is sent, or its VM made
     */
    private record Moment(String task, TaskPhase phase, String call, boolean tooLate) {
        static Moment of(String line) {
            String[] words = line.split(", ");
            return new Moment(words[0], TaskPhase.valueOf(words[1]), words[2], words.length == 4);
        }
    }

    static Stream<Arguments> endings() {
        return Stream.of(
                        "backup, PREPARE, list points/",
                        "backup, COPY, READ",
                        "backup, COPY, put packs/",
                        "backup, COMMIT, put index/",
                        "backup, COMMIT, put points/, too late",
                        "backup, COMMIT, put witness/, too late",
                        "incremental, PREPARE, list points/",
                        "incremental, PREPARE, BEGIN_SNAPSHOT",
                        "incremental, AUDIT, READ",
                        "incremental, COPY, READ",
                        "incremental, COMMIT, put index/",
                        "incremental, COMMIT, put points/, too late",
                        "restore, PREPARE, list points/",
                        "restore, COPY, get packs/",
                        "create, PREPARE, list points/",
                        "create, COPY, get packs/",
                        "create, COMMIT, COMPLETE, too late",
                        "restore over, PREPARE, list points/",
                        "restore over, COMPARE, READ",
                        "restore over, COPY, WRITE",
                        "verify, STRUCTURE, list packs/",
                        "verify, DATA, get packs/")
                .map(Moment::of)
                .flatMap(moment -> Stream.of(Ending.values()).map(ending -> Arguments.of(moment, ending)));
    }

    private enum Ending {
        CANCEL,
        PAUSE_AND_RESUME,
        PAUSE_AND_CANCEL,
        CLOSE
    }

    /** Holds the calls of one moment until it is told to let them go on. */
    private static final class Gate {
        private final Moment moment;
        private final CompletableFuture<TaskHandle<?>> task = new CompletableFuture<>();
        private final CountDownLatch reached = new CountDownLatch(1);
        private final CountDownLatch open = new CountDownLatch(1);

        Gate(Moment moment) {
            this.moment = moment;
        }

        void pass(String call) {
            if (call.startsWith(moment.call())
                    && task.orTimeout(1, TimeUnit.MINUTES).join().progress().phase() == moment.phase()) {
                reached.countDown();
                try {
                    assertThat(open.await(1, TimeUnit.MINUTES)).isTrue();
                } catch (InterruptedException e) {
                    throw new AssertionError("nobody is to be interrupted", e);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("endings")
    void inEachPhase(Moment moment, Ending ending) throws Exception {
        Supplier<TaskHandle<?>> start = prepare(moment.task());
        Set<String> before = Set.copyOf(keys(ObjectKeys.POINTS));
        Gate gate = new Gate(moment);
        store.before = gate::pass;
        host.beforeRead = () -> gate.pass("READ");
        host.beforeComplete = () -> gate.pass("COMPLETE");
        tracked.hook(event -> gate.pass(event.call().name()));
        TaskHandle<?> task = start.get();
        gate.task.complete(task);
        try {
            assertThat(gate.reached.await(1, TimeUnit.MINUTES))
                    .as("%s is reached", moment)
                    .isTrue();
            assertThat(task.progress().phase()).isEqualTo(moment.phase());
            assertThat(task.state()).isEqualTo(TaskState.RUNNING);
            end(task, ending, gate);
        } finally {
            gate.open.countDown();
        }
        boolean isDone = ending == Ending.PAUSE_AND_RESUME || moment.tooLate();
        assertThat(task.state()).isEqualTo(isDone ? TaskState.COMPLETED : TaskState.CANCELLED);
        assertOnlyWholePoints();
        boolean isBackup = moment.task().equals("backup") || moment.task().equals("incremental");
        assertThat(keys(ObjectKeys.POINTS)).containsAll(before).hasSize(before.size() + (isBackup && isDone ? 1 : 0));
        assertThat(Files.exists(folder.resolve("target")))
                .isEqualTo(moment.task().equals("restore") && isDone);
        assertNoHalfRestore();
        assertThat(host.completed).hasValue(moment.task().equals("create") && isDone ? 1 : 0);
        if (moment.task().equals("backup") && moment.phase() != TaskPhase.PREPARE) {
            assertThat(host.committed).isEqualTo(isDone);
            assertThat(host.abandoned).isEqualTo(!isDone);
        }
    }

    private void end(TaskHandle<?> task, Ending ending, Gate gate) throws Exception {
        switch (ending) {
            case CANCEL -> {
                task.cancel();
                gate.open.countDown();
                awaitEnd(task, gate.moment.tooLate());
            }
            case PAUSE_AND_RESUME -> {
                pause(task, gate);
                task.resume();
                assertThat(task.await(Duration.ofMinutes(1))).isPresent();
            }
            case PAUSE_AND_CANCEL -> {
                pause(task, gate);
                task.cancel();
                awaitEnd(task, gate.moment.tooLate());
            }
            case CLOSE -> closeAndOpenAgain(task, gate);
        }
    }

    /** Pauses, and waits until nothing moves any more: then it never does until it is resumed. */
    private void pause(TaskHandle<?> task, Gate gate) throws InterruptedException {
        task.pause();
        assertThat(task.state()).isEqualTo(TaskState.PAUSED);
        gate.open.countDown();
        if (gate.moment.tooLate()) {
            return;
        }
        List<Object> last = List.of();
        List<Object> now = List.of(task.progress(), store.calls.get());
        for (int i = 0; i < 30 && !now.equals(last); i++) {
            Thread.sleep(100);
            last = now;
            now = List.of(task.progress(), store.calls.get());
        }
        Thread.sleep(200);
        assertThat(List.<Object>of(task.progress(), store.calls.get()))
                .as("paused")
                .isEqualTo(now);
        assertThat(now).isEqualTo(last);
        assertThat(task.state()).isEqualTo(TaskState.PAUSED);
    }

    /** Makes what the task needs; what is given starts it. */
    private Supplier<TaskHandle<?>> prepare(String name) throws InterruptedException {
        switch (name) {
            case "backup":
                return this::backup;
            case "incremental":
                InMemoryVm vm = tracked.addVm("tracked");
                vm.addDisk("a", bytes(3)).write(0, bytes(4));
                HypervisorConnection connection = tracked.connect();
                other = connection;
                site.repository.backup(connection, incremental(vm)).await();
                vm.disks().get(0).write(CAPACITY / 2, Arrays.copyOf(bytes(5), 100_000));
                return () -> site.repository.backup(connection, incremental(vm));
            case "restore over":
                InMemoryVm over = tracked.addVm("over");
                over.addDisk("a", bytes(3));
                HypervisorConnection target = tracked.connect();
                other = target;
                site.repository
                        .backup(target, BackupRequest.builder(over.id()).build())
                        .await();
                over.disks().get(0).write(0, bytes(6));
                over.shutOff(true);
                return () -> site.repository.restore(RestoreRequest.builder(over.id())
                        .overVm(target, over.id())
                        .build());
            case "restore":
                site.backUp(Codec.DEFAULT);
                return this::restore;
            case "create":
                site.backUp(Codec.DEFAULT);
                return () -> site.repository.restore(site.restoreRequest());
            case "verify":
                site.backUp(Codec.DEFAULT);
                return () -> site.repository.verify(VerifyRequest.EVERYTHING);
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

    private void closeAndOpenAgain(TaskHandle<?> task, Gate gate) throws Exception {
        InMemoryBlobStore again = objects.reopen();
        Thread closing = new Thread(site::close);
        closing.start();
        // By then it has told the task, for which it waits.
        for (int i = 0; i < 100 && closing.getState() != Thread.State.WAITING; i++) {
            Thread.sleep(10);
        }
        assertThat(task.state().isFinal()).isFalse();
        gate.open.countDown();
        closing.join(SECONDS.toMillis());
        assertThat(closing.isAlive()).isFalse();
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
                awaitCancelledOrDone(task);
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
        awaitCancelled(task);
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
                awaitCancelled(task);
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

    private static void awaitCancelled(TaskHandle<?> task) throws InterruptedException {
        awaitEnd(task, false);
    }

    private static void awaitEnd(TaskHandle<?> task, boolean isTooLate) throws InterruptedException {
        long start = System.nanoTime();
        if (isTooLate) {
            assertThat(task.await(SECONDS)).isPresent();
        } else {
            assertThatThrownBy(() -> assertThat(task.await(SECONDS)).isPresent())
                    .as(task.name() + " in " + task.progress())
                    .isInstanceOf(TaskCancelledException.class);
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(SECONDS);
    }

    private static void awaitCancelledOrDone(TaskHandle<?> task) throws InterruptedException {
        try {
            assertThat(task.await(SECONDS)).isPresent();
        } catch (TaskCancelledException e) {
            assertThat(task.state()).isEqualTo(TaskState.CANCELLED);
        }
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

    /** What this process has open, files without a name included, but for what the JVM loads its code from. */
    private static List<String> openFiles() {
        List<String> open = new ArrayList<>();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors.toList()) {
                try {
                    open.add(Files.readSymbolicLink(descriptor).toString());
                } catch (NoSuchFileException e) {
                    // That of the listing itself.
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        open.removeIf(path -> path.endsWith(".jar") || path.endsWith(".class") || path.startsWith("/dev/"));
        return open;
    }

    private List<String> newlyOpenFiles() {
        List<String> open = openFiles();
        openBefore.forEach(open::remove);
        return open;
    }

    private static void eventually(Supplier<List<String>> empty) throws InterruptedException {
        for (int i = 0; i < 100 && !empty.get().isEmpty(); i++) {
            Thread.sleep(50);
        }
        assertThat(empty.get()).isEmpty();
    }
}
