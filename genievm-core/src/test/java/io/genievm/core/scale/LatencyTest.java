package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.RepositoryOptions;
import io.genievm.testkit.InMemoryBlobStore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Disks that take their time for each read, as those behind a network do: reads go ahead of the workers. */
@Timeout(60)
class LatencyTest {
    private static final long CAPACITY = (192 << 20) - 7;

    private final InMemoryBlobStore store = new InMemoryBlobStore();
    private final SyntheticHost host = new SyntheticHost(
            new SyntheticHost.Disk("a", CAPACITY, Noise.random(1)),
            new SyntheticHost.Disk("b", 5 << 20, Noise.random(2)));
    private final AtomicInteger reading = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();
    private final AtomicInteger reads = new AtomicInteger();

    @ParameterizedTest
    @CsvSource({"4, 4, 5", "1, 1, 1", "1, 3, 3"})
    void readsGoAheadOfTheWorkersAsFarAsTheDiskAllows(int readers, int requests, int atLeast) throws Exception {
        host.limits = new DiskLimits(readers, requests, 1 << 20, 512);
        host.beforeRead = this::linger;
        try (Site site = Site.create(store, RepositoryOptions.DEFAULT, host, LatencyTest::twoWorkers)) {
            BackupReport report = site.backUp(Codec.NONE);

            assertThat(report.disks().get(0).readBytes()).isEqualTo(CAPACITY);
            assertThat(host.besidePages).hasValue(0);
            // Two disks, each with its own limits.
            assertThat(most.get()).isBetween(atLeast, 2 * readers * requests);
            host.beforeRead = () -> {};
            site.verify();
            site.restore();
        }
        assertThat(host.openReaders).hasValue(0);
    }

    @Test
    void littleMemoryMeansFewReadsAhead() throws Exception {
        host.beforeRead = this::linger;
        try (Site site = Site.create(
                store,
                RepositoryOptions.DEFAULT,
                host,
                settings -> settings.parallelism(1).memoryBudget(16 << 20))) {
            site.backUp(Codec.NONE);

            assertThat(most.get()).isLessThanOrEqualTo(3);
            host.beforeRead = () -> {};
            site.restore();
        }
    }

    @Test
    void aReadAheadThatFailsFailsTheBackup() {
        host.beforeRead = () -> {
            linger();
            if (reads.incrementAndGet() > 100) {
                throw new GenieVmException(ErrorCode.IO_ERROR, "the disk is on fire");
            }
        };
        try (Site site = Site.create(store, RepositoryOptions.DEFAULT, host, LatencyTest::twoWorkers)) {
            assertThatThrownBy(() -> site.backUp(Codec.NONE))
                    .isInstanceOfSatisfying(
                            GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.IO_ERROR));
            assertThat(site.repository.points().points()).isEmpty();
        }
        assertThat(host.openReaders).hasValue(0);
        assertThat(host.abandoned).isTrue();
    }

    @Test
    void cancellingEndsReadsAhead() throws Exception {
        host.beforeRead = () -> {
            linger();
            reads.incrementAndGet();
        };
        try (Site site = Site.create(store, RepositoryOptions.DEFAULT, host, LatencyTest::twoWorkers)) {
            TaskHandle<BackupReport> task = site.repository.backup(
                    host,
                    BackupRequest.builder(SyntheticHost.VM).codec(Codec.NONE).build());
            while (reads.get() < 100) {
                Thread.sleep(1);
            }
            task.cancel();
            assertThatThrownBy(task::await).isInstanceOf(TaskCancelledException.class);
            assertThat(host.openReaders).hasValue(0);
            assertThat(reading).hasValue(0);
        }
    }

    private static GenieVm.Builder twoWorkers(GenieVm.Builder settings) {
        return settings.parallelism(2);
    }

    private void linger() {
        int now = reading.incrementAndGet();
        most.accumulateAndGet(now, Math::max);
        LockSupport.parkNanos(6_000_000);
        reading.decrementAndGet();
    }
}
