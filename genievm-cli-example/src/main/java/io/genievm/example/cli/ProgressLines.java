package io.genievm.example.cli;

import io.genievm.api.task.TaskProgress;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Plain lines for a log: one when a phase has something to show, then one every ten seconds. */
final class ProgressLines implements ProgressDisplay {
    private static final long INTERVAL = TimeUnit.SECONDS.toNanos(10);

    private final String title;
    private final LongSupplier nanoTime;
    private final ProgressText text;
    private final Consumer<String> line;
    private boolean phaseTold;
    private long next;

    ProgressLines(String title, LongSupplier nanoTime, Consumer<String> line) {
        this.title = title;
        this.nanoTime = nanoTime;
        this.text = new ProgressText(nanoTime);
        this.line = line;
        this.next = nanoTime.getAsLong() + INTERVAL;
    }

    @Override
    public void show(TaskProgress progress) {
        if (text.update(progress)) {
            phaseTold = false;
        }
        // A phase that fails before it has done anything leaves the one line that says why to itself.
        boolean phaseIsNews = !phaseTold && progress.doneBytes() > 0;
        if (phaseIsNews || nanoTime.getAsLong() - next >= 0) {
            phaseTold = true;
            next = nanoTime.getAsLong() + INTERVAL;
            line.accept(title + ": "
                    + Stream.of(
                                    Optional.of(ProgressText.phase(progress.phase())),
                                    text.percent().map(String::strip),
                                    text.bytes(),
                                    text.rate(),
                                    text.timeLeft())
                            .flatMap(Optional::stream)
                            .collect(Collectors.joining(", ")));
        }
    }
}
