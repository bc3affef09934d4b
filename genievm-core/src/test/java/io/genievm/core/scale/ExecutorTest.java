package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskState;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.VerifyRequest;
import io.genievm.testkit.InMemoryBlobStore;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Tasks come to their end with whatever threads they are given, and whoever listens. */
@Timeout(60)
class ExecutorTest {
    private static final long CAPACITY = 24 << 20;

    private final SlowStore store = new SlowStore(new InMemoryBlobStore(), 2);
    private final SyntheticHost host = new SyntheticHost(
            new SyntheticHost.Disk("a", CAPACITY, Noise.random(1)),
            new SyntheticHost.Disk("b", CAPACITY - 5, Noise.random(2)));
    private final ExecutorService own = Executors.newCachedThreadPool();

    @AfterEach
    void shutDown() {
        own.shutdownNow();
    }

    @Test
    void oneThread() throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor();
        try {
            assertWorksWith(one);
            assertThat(one.isShutdown()).as("the executor is its owner's").isFalse();
        } finally {
            one.shutdown();
        }
        assertThat(one.awaitTermination(10, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void oneThreadForSeveralTasks() throws Exception {
        ExecutorService one = Executors.newSingleThreadExecutor();
        try (Site site = site(one)) {
            List<TaskHandle<BackupReport>> tasks = List.of(start(site), start(site), start(site));
            for (TaskHandle<BackupReport> task : tasks) {
                task.await();
            }
            site.verify();
            assertThat(site.repository.points().points()).hasSize(3);
        } finally {
            one.shutdown();
        }
    }

    @Test
    void aPoolThatHasOneThreadAndRefusesMore() throws Exception {
        ThreadPoolExecutor refusing = new ThreadPoolExecutor(0, 1, 1, TimeUnit.SECONDS, new SynchronousQueue<>());
        try {
            assertWorksWith(command -> {
                try {
                    refusing.execute(command);
                } catch (RejectedExecutionException e) {
                    // A task begins when the thread of the last one is free again.
                    if (Thread.currentThread().getName().equals("main")) {
                        awaitIdle(refusing);
                        refusing.execute(command);
                    } else {
                        throw e;
                    }
                }
            });
        } finally {
            refusing.shutdown();
        }
    }

    @Test
    void theCallersOwnThread() throws Exception {
        assertWorksWith(Runnable::run);
    }

    @Test
    void anExecutorThatTakesItsTime() throws Exception {
        assertWorksWith(command -> own.execute(() -> {
            try {
                Thread.sleep(150);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            command.run();
        }));
    }

    @Test
    void anExecutorThatRefusesTheTaskItself() {
        try (Site site = site(command -> {
            throw new RejectedExecutionException("no");
        })) {
            assertThatThrownBy(() -> start(site))
                    .isInstanceOfSatisfying(
                            GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.LIMIT_EXCEEDED));
            assertThat(site.repository.points().points()).isEmpty();
        }
    }

    @Test
    void aPauseStopsTheReadingUntilItIsOver() throws Exception {
        try (Site site = site(own)) {
            host.beforeRead = () -> java.util.concurrent.locks.LockSupport.parkNanos(3_000_000);
            TaskHandle<BackupReport> task = start(site);
            while (task.progress().readBytes() == 0) {
                Thread.sleep(1);
            }
            task.pause();
            assertThat(task.state()).isEqualTo(TaskState.PAUSED);
            Thread.sleep(200);
            long read = task.progress().readBytes();
            assertThat(read).isLessThan(2 * CAPACITY - 5);
            Thread.sleep(400);
            assertThat(task.progress().readBytes()).isEqualTo(read);
            assertThat(task.await(Duration.ofMillis(50))).isEmpty();
            task.resume();
            assertThat(task.await().disks()).hasSize(2);
            assertThat(task.state()).isEqualTo(TaskState.COMPLETED);
            site.verify();
            site.restore();
        }
    }

    @Test
    void listenersThatBlockOrThrowStallNothing() throws Exception {
        CountDownLatch never = new CountDownLatch(1);
        List<TaskEvent> events = new CopyOnWriteArrayList<>();
        try (Site site = site(own)) {
            TaskHandle<BackupReport> blocked = start(site);
            blocked.addListener(event -> {
                try {
                    never.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            assertThat(blocked.await(Duration.ofSeconds(20))).isPresent();

            TaskHandle<BackupReport> throwing = start(site);
            throwing.addListener(event -> {
                throw new AssertionError("a listener's own fault");
            });
            throwing.addListener(events::add);
            throwing.await();
            awaitFinished(events);
            assertThat(events)
                    .filteredOn(TaskEvent.PhaseStarted.class::isInstance)
                    .extracting(event -> ((TaskEvent.PhaseStarted) event).phase())
                    .contains(TaskPhase.COPY, TaskPhase.COMMIT);
        } finally {
            never.countDown();
        }
        for (int i = 0; i < 100 && !SyntheticHost.threads().isEmpty(); i++) {
            Thread.sleep(20);
        }
        assertThat(SyntheticHost.threads()).isEmpty();
    }

    private void assertWorksWith(Executor executor) throws Exception {
        for (DiskLimits limits : List.of(DiskLimits.FILE, new DiskLimits(1, 1, 1 << 16, 512))) {
            host.limits = limits;
            store.millis = 2;
            try (Site site = site(executor)) {
                site.backUp(Codec.LZ4);
                site.verify();
                site.restore();
                assertThat(site.repository
                                .verify(new VerifyRequest(
                                        site.repository.points().points().get(0).id(), false))
                                .await()
                                .isOk())
                        .isTrue();
            }
            assertThat(host.openReaders).hasValue(0);
        }
    }

    private Site site(Executor executor) {
        // With so little memory that packs have to be put while others are filled.
        return Site.create(
                new SlowStore(new InMemoryBlobStore(), store.millis),
                RepositoryOptions.DEFAULT,
                host,
                settings -> settings.executor(executor).parallelism(4).memoryBudget(32 << 20));
    }

    private TaskHandle<BackupReport> start(Site site) {
        return site.repository.backup(
                host, BackupRequest.builder(SyntheticHost.VM).codec(Codec.NONE).build());
    }

    private static void awaitFinished(List<TaskEvent> events) throws InterruptedException {
        for (int i = 0; i < 500 && events.stream().noneMatch(TaskEvent.Finished.class::isInstance); i++) {
            Thread.sleep(10);
        }
        assertThat(events).last().isInstanceOf(TaskEvent.Finished.class);
    }

    private static void awaitIdle(ThreadPoolExecutor pool) {
        while (pool.getActiveCount() > 0) {
            Thread.onSpinWait();
        }
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
