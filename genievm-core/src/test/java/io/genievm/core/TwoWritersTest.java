package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.OneStore;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.FaultyBlobStore;
import io.genievm.testkit.fault.StoreCall.Operation;
import io.genievm.testkit.fault.StoreFault;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Two processes back up at the same time what is the same in large parts, and one of them fails at each of its objects in
 * turn, or is cancelled there, and clears up. What the other has relied on stays.
 */
class TwoWritersTest {
    private static final VmId WEB = new VmId("web");
    private static final VmId DB = new VmId("db");

    private static final int SHARED = 1_500_000;

    private final Lab lab = new Lab(Lab.SMALL, 1);
    private final FaultyBlobStore otherStore = new FaultyBlobStore(lab.store().other());
    private GenieVm otherProcess;
    private Repository other;
    private Map<String, byte[]> start;
    private int puts;

    @BeforeEach
    void prepare() {
        byte[] shared = Lab.random(1, SHARED);
        lab.hypervisor().addVm("web").addDisk("root", shared);
        lab.hypervisor().vm("web").addDisk("own", Lab.random(2, 300_000));
        lab.hypervisor().addVm("db").addDisk("own", Lab.random(3, 300_000));
        lab.hypervisor().vm("db").addDisk("root", shared);
        otherProcess = GenieVm.builder()
                .blobStoreProvider(new OneStore("other", otherStore))
                .parallelism(1)
                .memoryBudget(16 << 20)
                .open();
        other = otherProcess.openRepository(BlobStoreConfig.of("other:place"));
        start = lab.store().content();
        lab.faulty()
                .script(FaultScript.every(call -> call.operation() == Operation.PUT, StoreFault.meanwhile(() -> {})));
        lab.backup("web");
        puts = lab.faulty().injected().size();
        assertThat(puts).isGreaterThan(5);
    }

    @AfterEach
    void close() {
        otherProcess.close();
        lab.close();
    }

    @ParameterizedTest
    @MethodSource("failures")
    @DisplayName("the other begins right before the object that fails, and commits when all is cleared up")
    void commitsAfterwards(ErrorCode code) {
        int relied = 0;
        for (int put = 0; put < puts; put++) {
            CountDownLatch commits = new CountDownLatch(1);
            CountDownLatch mayCommit = new CountDownLatch(1);
            otherStore.script(FaultScript.every(call -> call.isPut("points/"), StoreFault.meanwhile(() -> {
                commits.countDown();
                await(mayCommit);
            })));
            CompletableFuture<TaskHandle<BackupReport>> begun = new CompletableFuture<>();
            failAt(put, code, () -> {
                begun.complete(beginOther());
                await(commits);
            });
            mayCommit.countDown();
            BackupReport report = Lab.await(begun.join());
            check(report);
            relied += report.storedBytes() < SHARED ? 1 : 0;
        }
        // Else nothing was at stake.
        assertThat(relied).isPositive();
    }

    @ParameterizedTest
    @MethodSource("failures")
    @DisplayName("the other begins and commits while the one is at the object that fails")
    void commitsMeanwhile(ErrorCode code) {
        for (int put = 0; put < puts; put++) {
            otherStore.script(FaultScript.NONE);
            CompletableFuture<BackupReport> done = new CompletableFuture<>();
            failAt(put, code, () -> done.complete(Lab.await(beginOther())));
            check(done.join());
        }
    }

    /** Of the first it is known that nothing was put, of the second it is not; with the third nothing goes wrong in the store. */
    static List<ErrorCode> failures() {
        return List.of(ErrorCode.NO_SPACE, ErrorCode.IO_ERROR, ErrorCode.CANCELLED);
    }

    /** Lets the first process fail at a put, if it fails over that; something happens right before. */
    private void failAt(int put, ErrorCode code, Runnable before) {
        lab.store().reset(start);
        AtomicInteger seen = new AtomicInteger();
        CompletableFuture<TaskHandle<BackupReport>> task = new CompletableFuture<>();
        lab.faulty()
                .script(call -> call.operation() == Operation.PUT && seen.getAndIncrement() == put
                        ? StoreFault.meanwhile(() -> {
                            before.run();
                            if (!code.equals(ErrorCode.CANCELLED)) {
                                throw new GenieVmException(code, "as wished");
                            }
                            task.join().cancel();
                        })
                        : StoreFault.NONE);
        Map<DiskId, byte[]> content = lab.contentOf(WEB);
        try {
            task.complete(lab.beginBackup("web"));
            lab.remember(Lab.await(task.join()), content);
        } catch (GenieVmException e) {
            assertThat(e.code()).isEqualTo(code);
        }
        assertThat(seen.get()).isGreaterThan(put);
        lab.faulty().script(FaultScript.NONE);
    }

    private void check(BackupReport report) {
        lab.remember(report, lab.contentOf(DB));
        lab.assertRestores(report.point());
        assertThat(lab.verify().damage()).isEmpty();
        lab.assertRestores(lab.backup("web").point());
        lab.assertRestores(report.point());
    }

    private static void await(CountDownLatch latch) {
        try {
            if (!latch.await(1, TimeUnit.MINUTES)) {
                throw new AssertionError("the other process does not get on");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private TaskHandle<BackupReport> beginOther() {
        return other.backup(
                lab.connection(), BackupRequest.builder(DB).codec(Codec.NONE).build());
    }
}
