package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskState;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.StoreCall.Operation;
import io.genievm.testkit.fault.StoreFault;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What users see of calls of a store that are tried again. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class RetryTest {
    private static final StoreFault PASSES = StoreFault.refused(ErrorCode.TRANSIENT_IO_ERROR);
    // The first pause takes minutes.
    private static final Duration LONG = Duration.ofDays(1);

    @Test
    @DisplayName("a backup over a store of which every third call fails succeeds without a warning, and tells of it")
    void succeeds() {
        try (Lab lab = lab(Duration.ofSeconds(2))) {
            lab.faulty()
                    .script(FaultScript.seeded(
                            1,
                            3,
                            List.of(
                                    PASSES,
                                    StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR),
                                    StoreFault.answerLost(ErrorCode.TRANSIENT_IO_ERROR))));
            CountDownLatch begun = new CountDownLatch(1);
            lab.hypervisor().hook(event -> await(begun));
            TaskHandle<BackupReport> task = lab.beginBackup("web");
            Queue<TaskEvent> events = new ConcurrentLinkedQueue<>();
            CountDownLatch finished = new CountDownLatch(1);
            task.addListener(event -> {
                events.add(event);
                if (event instanceof TaskEvent.Finished) {
                    finished.countDown();
                }
            });
            begun.countDown();

            BackupReport report = Lab.await(task);

            await(finished);
            int faults = lab.faulty().injected().size();
            lab.faulty().script(FaultScript.NONE);
            assertThat(faults).isGreaterThan(3);
            assertThat(report.warnings()).isEmpty();
            assertThat(lab.repository().points().points()).hasSize(1);
            lab.assertWhole();
            assertThat(events.stream().filter(TaskEvent.Retried.class::isInstance))
                    .isNotEmpty()
                    .allSatisfy(event -> {
                        TaskEvent.Retried retried = (TaskEvent.Retried) event;
                        assertThat(retried.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
                        assertThat(retried.message()).contains("made to fail");
                        assertThat(retried.pause()).isBetween(Duration.ZERO, Duration.ofMillis(250));
                    });
        }
    }

    @Test
    @DisplayName("a task that waits for its store ends at once when it is cancelled, and clears up")
    void cancelled() {
        try (Lab lab = lab(LONG)) {
            List<String> before = lab.store().keys("");
            CountDownLatch failed = new CountDownLatch(1);
            lab.faulty().script(call -> {
                if (call.isPut("packs/")) {
                    failed.countDown();
                    return PASSES;
                }
                return StoreFault.NONE;
            });
            TaskHandle<BackupReport> task = lab.beginBackup("web");
            await(failed);
            task.cancel();

            assertThat(Lab.failureOf(task).code()).isEqualTo(ErrorCode.CANCELLED);
            assertThat(task.state()).isEqualTo(TaskState.CANCELLED);
            lab.faulty().script(FaultScript.NONE);
            assertThat(lab.store().keys("")).isEqualTo(before);
        }
    }

    @Test
    @DisplayName("a call that waits in a thread of the user's ends at once when the repository is closed")
    void closed() throws Exception {
        try (Lab lab = lab(LONG)) {
            CountDownLatch failed = new CountDownLatch(1);
            lab.faulty().script(call -> {
                failed.countDown();
                return PASSES;
            });
            CompletableFuture<GenieVmException> failure = CompletableFuture.supplyAsync(() -> catchThrowableOfType(
                    GenieVmException.class, () -> lab.repository().points()));
            await(failed);
            lab.repository().close();
            assertThat(failure.get(30, TimeUnit.SECONDS).code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
        }
    }

    @Test
    @DisplayName("without patience everything is tried once")
    void none() {
        try (Lab lab = lab(Duration.ZERO)) {
            lab.faulty().script(FaultScript.once(2, PASSES));
            assertThat(Lab.failureOf(lab.beginBackup("web")).code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
            lab.faulty().script(FaultScript.NONE);
            lab.assertRestores(lab.backup("web").point());
        }
    }

    @Test
    @DisplayName("opening and creating a repository are tried again as well; the answer to its creation may be lost")
    void openAndCreate() {
        try (Lab lab = lab(Duration.ofSeconds(2))) {
            lab.faulty().script(FaultScript.once(0, PASSES));
            lab.reopen();
            assertThat(lab.faulty().injected()).hasSize(1);
            lab.store().keys("").forEach(lab.store()::remove);
            lab.faulty()
                    .script(FaultScript.every(
                            call -> call.operation() == Operation.PUT && call.number() == 0,
                            StoreFault.answerLost(ErrorCode.TRANSIENT_IO_ERROR)));
            lab.recreate();
            assertThat(lab.faulty().injected()).hasSize(1);
            lab.faulty().script(FaultScript.NONE);
            lab.assertRestores(lab.backup("web").point());
            lab.assertWhole();
        }
    }

    @Test
    @DisplayName("patience has bounds")
    void bounds() {
        for (Duration wrong :
                new Duration[] {Duration.ofNanos(-1), Duration.ofDays(1).plusNanos(1)}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> GenieVm.builder().storePatience(wrong));
        }
    }

    private static Lab lab(Duration patience) {
        Lab lab = new Lab(Lab.SMALL, 1, builder -> builder.storePatience(patience));
        lab.addVm("web", 1_500_000);
        return lab;
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
