package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskProgress;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgressTest {
    private static final String TITLE = "backup of 'web'";
    private static final long MIB = 1 << 20;

    private final FakeTime time = new FakeTime();
    private final List<String> lines = new ArrayList<>();

    @Test
    void aBarShowsPercentBytesRateAndTimeLeft() {
        ProgressBar bar = bar(100);
        bar.show(copying(0, 400 * MIB));
        time.pass(1000);
        bar.show(copying(100 * MIB, 400 * MIB));

        assertThat(last())
                .isEqualTo("backup of 'web'   25 %  [######--------------------]  100.0 MiB of 400.0 MiB  100.0 MiB/s"
                        + "  0:03 left")
                .hasSizeLessThanOrEqualTo(100);
    }

    @Test
    void aBarTellsThePhaseWhereNothingIsPlanned() {
        ProgressBar bar = bar(80);
        bar.show(progress(TaskPhase.PREPARE, 0, 0));
        time.pass(1000);
        bar.show(progress(TaskPhase.PREPARE, 0, 0));

        assertThat(last()).isEqualTo("backup of 'web'  preparing");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 5, 20, 30, 40, 50, 60, 70, 80, 100, 150, 300})
    void aBarFitsTheTerminal(int width) {
        ProgressBar bar = bar(width);
        bar.show(copying(0, 400 * MIB));
        time.pass(1000);
        bar.show(copying(100 * MIB, 400 * MIB));

        assertThat(last()).hasSizeLessThanOrEqualTo(width);
        assertThat(last().contains("25 %")).isEqualTo(width >= TITLE.length() + 7);
        assertThat(last().contains("left")).isEqualTo(width >= 35);
    }

    @Test
    void nothingIsSaidToBeDoneBeforeItIs() {
        ProgressBar bar = bar(80);
        bar.show(copying(999_999, 1_000_000));

        assertThat(last()).contains(" 99 %");

        bar.show(copying(1_000_000, 1_000_000));

        assertThat(last()).contains("100 %");
    }

    @Test
    void theRateIsThatOfTheLastSeconds() {
        ProgressBar bar = bar(100);
        bar.show(copying(0, 4000 * MIB));
        for (int second = 1; second <= 20; second++) {
            time.pass(1000);
            bar.show(copying(100 * MIB * second, 4000 * MIB));
        }
        assertThat(last()).contains("100.0 MiB/s", "0:20 left");

        for (int second = 1; second <= 10; second++) {
            time.pass(1000);
            bar.show(copying(2000 * MIB + 10 * MIB * second, 4000 * MIB));
        }
        assertThat(last()).contains("  10.0 MiB/s", "3:10 left");
    }

    @Test
    void aNewPhaseStartsItsRateAnew() {
        ProgressBar bar = bar(100);
        bar.show(progress(TaskPhase.STRUCTURE, 0, 100));
        time.pass(1000);
        bar.show(progress(TaskPhase.STRUCTURE, 100, 100));
        bar.show(progress(TaskPhase.DATA, 0, 400 * MIB));

        assertThat(last()).contains("  0 %").doesNotContain("/s", "left");
    }

    @Test
    void aStandstillHasNoTimeLeft() {
        ProgressBar bar = bar(100);
        bar.show(copying(MIB, 2 * MIB));
        time.pass(60_000);
        bar.show(copying(MIB, 2 * MIB));

        assertThat(last()).contains("0 B/s").doesNotContain("left");
    }

    @Test
    void aLogGetsALineWhenAPhaseHasSomethingToShowAndThenOneInTenSeconds() {
        ProgressLines log = new ProgressLines(TITLE, time, lines::add);
        log.show(progress(TaskPhase.PREPARE, 0, 0));
        log.show(copying(0, 1000 * MIB));
        assertThat(lines).isEmpty();

        for (int i = 1; i <= 250; i++) {
            time.pass(100);
            log.show(copying(4 * MIB * i, 1000 * MIB));
        }
        log.show(progress(TaskPhase.COMMIT, 0, 0));

        assertThat(lines)
                .containsExactly(
                        "backup of 'web': copying, 0 %, 4.0 MiB of 1000.0 MiB",
                        "backup of 'web': copying, 40 %, 404.0 MiB of 1000.0 MiB, 40.0 MiB/s, 0:15 left",
                        "backup of 'web': copying, 80 %, 804.0 MiB of 1000.0 MiB, 40.0 MiB/s, 0:05 left");
    }

    @Test
    void aLogIsToldOfALongWait() {
        ProgressLines log = new ProgressLines(TITLE, time, lines::add);
        log.show(progress(TaskPhase.PREPARE, 0, 0));
        time.pass(10_000);
        log.show(progress(TaskPhase.PREPARE, 0, 0));

        assertThat(lines).containsExactly("backup of 'web': preparing, 0 B/s");
    }

    private ProgressBar bar(int width) {
        return new ProgressBar(TITLE, width, time, lines::add);
    }

    private String last() {
        return lines.get(lines.size() - 1);
    }

    private static TaskProgress copying(long done, long planned) {
        return progress(TaskPhase.COPY, done, planned);
    }

    private static TaskProgress progress(TaskPhase phase, long done, long planned) {
        return new TaskProgress(phase, planned, done, done, 0, 0, List.of());
    }
}
