package io.genievm.example.cli;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/** How fast something goes: the mean over the last seconds, so that it neither jumps nor lags. */
final class Pace {
    private static final long WINDOW = TimeUnit.SECONDS.toNanos(5);
    private static final long SHORTEST = TimeUnit.MILLISECONDS.toNanos(500);

    private record Sample(long nanos, long bytes) {}

    private final LongSupplier nanoTime;
    private final Deque<Sample> samples = new ArrayDeque<>();

    Pace(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    void restart() {
        samples.clear();
    }

    void reached(long bytes) {
        long now = nanoTime.getAsLong();
        samples.addLast(new Sample(now, bytes));
        while (samples.size() > 2 && now - samples.getFirst().nanos() > WINDOW) {
            samples.removeFirst();
        }
    }

    /** Gives bytes in a second, or nothing as long as it is too early to tell. */
    Optional<Double> rate() {
        if (samples.isEmpty()) {
            return Optional.empty();
        }
        long nanos = samples.getLast().nanos() - samples.getFirst().nanos();
        long bytes = samples.getLast().bytes() - samples.getFirst().bytes();
        return nanos < SHORTEST ? Optional.empty() : Optional.of(bytes * 1e9 / nanos);
    }

    /** Gives the time that as many bytes will take, or nothing as long as that can not be told. */
    Optional<Duration> timeFor(long bytes) {
        return rate().filter(rate -> rate >= 1).map(rate -> Duration.ofSeconds(Math.round(bytes / rate)));
    }
}
