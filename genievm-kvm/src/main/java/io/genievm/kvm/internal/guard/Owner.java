package io.genievm.kvm.internal.guard;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A process, named so that it can be told later whether it still lives: by the boot of the machine, the namespace of
 * process ids, the id, and the moment of its start. Immutable.
 *
 * @param bootId the machine's boot
 * @param pidNamespace the namespace of process ids
 * @param pid the process id there
 * @param startTime ticks since the boot at which it began
 */
public record Owner(String bootId, String pidNamespace, long pid, long startTime) {
    private static final Path PROC = Path.of("/proc");
    private static final Pattern TEXT =
            Pattern.compile("([0-9A-Za-z-]{1,64})/(pid:\\[[0-9]{1,20}])/([0-9]{1,18})/([0-9]{1,18})");

    /** Whether a process lives. */
    public enum Life {
        /** It lives. */
        ALIVE,
        /** It has ended for certain. */
        DEAD,
        /** It can not be seen from here. */
        UNKNOWN
    }

    /**
     * This process.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when the machine does not tell
     */
    public static Owner self() {
        try {
            // Its id as /proc has it, which is what life() will ask.
            long pid =
                    Long.parseLong(Files.readSymbolicLink(PROC.resolve("self")).toString());
            return new Owner(
                    boot(), namespace(), pid, ProcessStat.of(pid).orElseThrow().startTime());
        } catch (IOException | RuntimeException e) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(PROC.toString()),
                    "/proc does not tell what this process is: " + e,
                    e);
        }
    }

    /** Reads what {@link #toString} wrote; {@code null} when it is something else. */
    public static @Nullable Owner parse(String text) {
        Matcher matcher = TEXT.matcher(text);
        return matcher.matches()
                ? new Owner(
                        matcher.group(1),
                        matcher.group(2),
                        Long.parseLong(matcher.group(3)),
                        Long.parseLong(matcher.group(4)))
                : null;
    }

    /**
     * Whether it lives now. A process in another namespace of process ids, as in a container, is not seen; nor is one of
     * another user where the machine hides these.
     */
    public Life life() {
        try {
            if (!boot().equals(bootId)) {
                return Life.DEAD;
            }
            if (!namespace().equals(pidNamespace)) {
                return Life.UNKNOWN;
            }
        } catch (IOException e) {
            return Life.UNKNOWN;
        }
        try {
            return ProcessStat.of(pid).map(this::lifeBy).orElse(Life.UNKNOWN);
        } catch (NoSuchFileException e) {
            // Processes of others may be hidden. The first one is always there, and is another's for all but root.
            return Files.exists(PROC.resolve("1/stat")) ? Life.DEAD : Life.UNKNOWN;
        } catch (AccessDeniedException e) {
            return Life.UNKNOWN;
        } catch (IOException e) {
            // It ended between opening and reading.
            return String.valueOf(e.getMessage()).contains("No such process") ? Life.DEAD : Life.UNKNOWN;
        }
    }

    /** The id of a process that has ended is given to another in time. */
    Life lifeBy(ProcessStat stat) {
        return stat.isAlive() && stat.startTime() == startTime ? Life.ALIVE : Life.DEAD;
    }

    /** One line without spaces. */
    @Override
    public String toString() {
        return bootId + "/" + pidNamespace + "/" + pid + "/" + startTime;
    }

    private static String boot() throws IOException {
        return Files.readString(PROC.resolve("sys/kernel/random/boot_id")).strip();
    }

    private static String namespace() throws IOException {
        return Files.readSymbolicLink(PROC.resolve("self/ns/pid")).toString();
    }
}
