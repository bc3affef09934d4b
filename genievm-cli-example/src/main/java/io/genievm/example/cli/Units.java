package io.genievm.example.cli;

import java.time.Duration;
import java.util.Locale;

/** Figures for people. */
final class Units {
    private static final String[] PREFIXES = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

    private Units() {}

    static String bytes(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        double value = bytes;
        int prefix = -1;
        // From 1023.95 on, one decimal would show 1024.0.
        while (value >= 1023.95) {
            value /= 1024;
            prefix++;
        }
        return String.format(Locale.ROOT, "%.1f %sB", value, PREFIXES[prefix]);
    }

    static String seconds(Duration duration) {
        return duration.compareTo(Duration.ofMinutes(1)) < 0
                ? String.format(Locale.ROOT, "%.1f s", duration.toMillis() / 1000.0)
                : clock(duration);
    }

    /** Shows {@code 0:21}, {@code 12:00} or {@code 1:02:03}. */
    static String clock(Duration duration) {
        return duration.toHours() > 0
                ? String.format(
                        Locale.ROOT,
                        "%d:%02d:%02d",
                        duration.toHours(),
                        duration.toMinutesPart(),
                        duration.toSecondsPart())
                : String.format(Locale.ROOT, "%d:%02d", duration.toMinutes(), duration.toSecondsPart());
    }
}
