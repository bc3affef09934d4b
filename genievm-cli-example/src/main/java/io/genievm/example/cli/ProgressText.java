package io.genievm.example.cli;

import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskProgress;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.LongSupplier;

/** The words and figures that say how far a task is. */
final class ProgressText {
    private final Pace pace;
    private TaskProgress last = new TaskProgress(TaskPhase.PREPARE, 0, 0, 0, 0, 0, List.of());

    ProgressText(LongSupplier nanoTime) {
        this.pace = new Pace(nanoTime);
    }

    /** Takes over the newest figures. Gives whether a phase has begun with them. */
    boolean update(TaskProgress progress) {
        boolean begun = last.phase() != progress.phase();
        if (begun) {
            pace.restart();
        }
        pace.reached(progress.doneBytes());
        last = progress;
        return begun;
    }

    static String phase(TaskPhase phase) {
        return switch (phase) {
            case PREPARE -> "preparing";
            case AUDIT -> "auditing";
            case COMPARE -> "comparing";
            case COPY -> "copying";
            case COMMIT -> "committing";
            case STRUCTURE -> "checking structure";
            case DATA -> "checking data";
        };
    }

    /** Gives the part that is done, 0 to 1, or nothing where it is not known what there is to do. */
    Optional<Double> part() {
        if (last.plannedBytes() <= 0) {
            return Optional.empty();
        }
        return Optional.of(Math.min(1, Math.max(0, (double) last.doneBytes() / last.plannedBytes())));
    }

    /** Rounded down: 100 % is said of what is done, not of what is nearly done. */
    Optional<String> percent() {
        return part().map(part -> String.format(Locale.ROOT, "%3d %%", (int) Math.floor(part * 100)));
    }

    Optional<String> bytes() {
        return part().map(part -> Units.bytes(last.doneBytes()) + " of " + Units.bytes(last.plannedBytes()));
    }

    Optional<String> rate() {
        return pace.rate().map(rate -> Units.bytes(Math.round(rate)) + "/s");
    }

    Optional<String> timeLeft() {
        Optional<Duration> left =
                part().flatMap(part -> pace.timeFor(Math.max(0, last.plannedBytes() - last.doneBytes())));
        return left.map(time -> Units.clock(time) + " left");
    }
}
