package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.TaskCancelledException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;

class InterruptionTest {
    private static final int INT = 2;
    private static final int TERM = 15;

    private final List<String> events = new CopyOnWriteArrayList<>();

    @Test
    void theFirstSignalCancelsWaitsAndEndsTheProcessIfThatDidNotHelp() {
        Interruption interruption = interruption(Duration.ofMillis(1));
        interruption.cancels(() -> events.add("cancelled"));

        interruption.onSignal(INT);

        assertThat(events)
                .containsExactly("interrupted, cleaning up; a second signal ends it at once", "cancelled", "ended 130");
    }

    @Test
    void theSecondSignalEndsTheProcessWhileTheFirstStillWaits() throws InterruptedException {
        Interruption interruption = interruption(Duration.ofDays(1));
        interruption.cancels(() -> events.add("cancelled"));
        Thread first = new Thread(() -> interruption.onSignal(INT));
        first.start();
        while (!events.contains("cancelled")) {
            Thread.sleep(1);
        }

        interruption.onSignal(TERM);

        assertThat(events).endsWith("cancelled", "ended 143");
        assertThat(interruption.signal()).isEqualTo(INT);
        first.interrupt();
        first.join();
    }

    @Test
    void nothingIsWaitedForWhereNothingNeedsCleaningUp() {
        interruption(Duration.ofDays(1)).onSignal(TERM);

        assertThat(events).containsExactly("interrupted", "ended 143");
    }

    @Test
    void whatBeginsAfterTheSignalIsCancelledAtOnce() {
        Interruption interruption = interruption(Duration.ZERO);
        interruption.cancels(() -> events.add("first"));
        interruption.check();

        interruption.onSignal(INT);
        interruption.cancels(() -> events.add("second"));

        assertThat(events).contains("first").endsWith("second");
        assertThatThrownBy(interruption::check).isInstanceOf(TaskCancelledException.class);
    }

    private Interruption interruption(Duration grace) {
        return new Interruption(grace, events::add, status -> events.add("ended " + status));
    }
}
