package io.genievm.example.cli;

import io.genievm.api.task.TaskProgress;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** One line for a terminal, to be drawn over and over in the same place. */
final class ProgressBar implements ProgressDisplay {
    private static final int SHORTEST = 10;
    private static final int LONGEST = 40;
    private static final String GAP = "  ";

    private final String title;
    private final int width;
    private final ProgressText text;
    private final Consumer<String> line;

    ProgressBar(String title, int width, LongSupplier nanoTime, Consumer<String> line) {
        this.title = title;
        this.width = width;
        this.text = new ProgressText(nanoTime);
        this.line = line;
    }

    @Override
    public void show(TaskProgress progress) {
        text.update(progress);
        line.accept(draw(ProgressText.phase(progress.phase())));
    }

    /** What there is no room for is left out: first the bar, then the rate, the bytes, the time left. */
    private String draw(String phase) {
        String start = title + GAP + text.percent().orElse(phase);
        int room = width - start.length();
        String left = fitting(text.timeLeft(), room);
        room -= left.length();
        String bytes = fitting(text.bytes(), room);
        room -= bytes.length();
        String rate = fitting(text.rate().filter(unused -> text.part().isPresent()), room);
        room -= rate.length();
        String line = start + bar(room - GAP.length()) + bytes + rate + left;
        return line.length() <= width ? line : line.substring(0, width);
    }

    private static String fitting(Optional<String> text, int room) {
        return text.map(GAP::concat).filter(part -> part.length() <= room).orElse("");
    }

    private String bar(int room) {
        int cells = Math.min(LONGEST, room - 2);
        if (cells < SHORTEST || text.part().isEmpty()) {
            return "";
        }
        int full = (int) (text.part().get() * cells);
        return GAP + "[" + "#".repeat(full) + "-".repeat(cells - full) + "]";
    }
}
