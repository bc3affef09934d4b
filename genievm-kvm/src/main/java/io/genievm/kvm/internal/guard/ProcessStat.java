package io.genievm.kvm.internal.guard;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What {@code /proc/<pid>/stat} says of a process. Of the JDK alone, as {@link GuardianMain} needs it.
 *
 * @param state one letter
 * @param startTime ticks since the boot at which it began
 */
record ProcessStat(char state, long startTime) {
    private static final int STATE = 3;
    private static final int START_TIME = 22;

    /** Reads it; empty when it is not understood. */
    static Optional<ProcessStat> of(long pid) throws IOException {
        // The name in it may be any bytes.
        return parse(new String(Files.readAllBytes(Path.of("/proc/" + pid + "/stat")), StandardCharsets.ISO_8859_1));
    }

    /** When a process of this machine began; -1 when it has ended. */
    static long startTimeOf(long pid) {
        try {
            return of(pid).filter(ProcessStat::isAlive)
                    .map(ProcessStat::startTime)
                    .orElse(-1L);
        } catch (IOException e) {
            return -1;
        }
    }

    /** Reads the line; the name in it is in parentheses and may have spaces and parentheses of its own. */
    static Optional<ProcessStat> parse(String line) {
        int end = line.lastIndexOf(')');
        String[] fields = line.substring(end + 1).strip().split(" ");
        // The first of these is the state.
        if (end < 0
                || fields.length <= START_TIME - STATE
                || fields[0].length() != 1
                || !fields[START_TIME - STATE].matches("[0-9]{1,18}")) {
            return Optional.empty();
        }
        return Optional.of(new ProcessStat(fields[0].charAt(0), Long.parseLong(fields[START_TIME - STATE])));
    }

    /** Whether it is more than an entry that its parent has not asked for. */
    boolean isAlive() {
        return state != 'Z' && state != 'X' && state != 'x';
    }
}
