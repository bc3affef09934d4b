package io.genievm.example.cli;

import io.genievm.api.Extent;
import io.genievm.api.Warning;
import io.genievm.core.Damage;
import io.genievm.core.RestorePoint;
import io.genievm.core.Trust;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What several commands say to people. */
final class Text {
    private Text() {}

    static String line(Damage damage) {
        boolean named = damage.message().startsWith(damage.object());
        StringBuilder line = new StringBuilder(named ? "" : damage.object() + ": ").append(damage.message());
        if (!damage.points().isEmpty()) {
            line.append("; point ")
                    .append(damage.points().stream().map(Object::toString).collect(Collectors.joining(", ")));
        }
        if (damage.disk() != null) {
            line.append(", disk ").append(damage.disk());
        }
        Extent extent = damage.extent();
        if (extent != null) {
            line.append(", bytes ").append(extent.offset()).append(" to ").append(extent.end() - 1);
        }
        return line.toString();
    }

    static List<String> notes(List<Warning> warnings) {
        return warnings.stream()
                .map(warning -> "warning: " + (warning.disk() == null ? "" : warning.disk() + ": ") + warning.message())
                .toList();
    }

    /** As people and documents write a constant: {@code proven} for {@link Trust#PROVEN}. */
    static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    /** With the share that has been compared since it was proven, where it is not. Rounded down. */
    static String trust(RestorePoint.Disk disk) {
        if (disk.trust() != Trust.SAMPLED) {
            return word(disk.trust());
        }
        int percent = (int) Math.floor(disk.coveredShare() * 100);
        return word(disk.trust()) + (percent == 0 && disk.coveredShare() > 0 ? " <1 %" : " " + percent + " %");
    }

    static String times(int number) {
        return number == 1 ? "once" : number + " times";
    }

    static String count(long number, String one) {
        return number + " " + one + (number == 1 ? "" : "s");
    }
}
