package io.genievm.kvm.internal.qemu;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.kvm.internal.Waiting;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A program that is found by the search path and run without a shell: with messages in English, nothing on its standard
 * input, and what it prints kept within bounds.
 *
 * @param name its name, or a path to it
 */
record Program(String name) {
    /** The most that is kept of what a program prints on its standard output: bytes. */
    private static final int MOST_OUTPUT = 16 << 20;

    private static final int MOST_ERRORS = 64 << 10;
    private static final int LONGEST_MESSAGE = 1024;
    private static final Duration UNTIL_KILLED = Duration.ofSeconds(10);
    private static final Duration UNTIL_DRAINED = Duration.ofSeconds(10);

    /**
     * What came of a run.
     *
     * @param status the exit status
     * @param output what it printed on its standard output
     * @param errors what it printed on its standard error
     */
    record Outcome(int status, String output, String errors) {}

    /**
     * Starts it. The caller sees to its end.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when it is not there or may not be run
     */
    Process start(ProcessBuilder.Redirect output, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(name);
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command)
                // A process that lives for hours shall not keep a file system busy that somebody wants to unmount.
                .directory(new File("/"))
                .redirectInput(new File("/dev/null"))
                .redirectOutput(output);
        builder.environment().put("LC_ALL", "C");
        try {
            return builder.start();
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(name),
                    name + " can not be run here: is it installed, and on the search path? " + e.getMessage(),
                    e);
        }
    }

    /**
     * Runs it to its end. An interrupt of the calling thread waits until then: who wants it to end cancels it.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when it can not be run, {@code TRANSIENT_IO_ERROR} when it takes
     *     longer than the limit, {@code CANCELLED}; it has been ended then
     */
    Outcome run(Duration limit, Cancellation cancellation, List<String> arguments) {
        Process process = start(ProcessBuilder.Redirect.PIPE, arguments);
        boolean isOver = false;
        try {
            cancellation.onCancel(process::destroyForcibly);
            Drain output = Drain.of(process.getInputStream(), MOST_OUTPUT, name);
            Drain errors = Drain.of(process.getErrorStream(), MOST_ERRORS, name);
            isOver = hasEnded(process, limit);
            if (!isOver) {
                throw new GenieVmException(
                        ErrorCode.TRANSIENT_IO_ERROR,
                        Resource.named(name),
                        name + " was ended, as it took longer than " + limit.toSeconds() + " s");
            }
            if (cancellation.isCancelled()) {
                throw new GenieVmException(ErrorCode.CANCELLED, Resource.named(name), name + " was cancelled");
            }
            String printed = output.text();
            if (output.isTooLong()) {
                throw new GenieVmException(
                        ErrorCode.LIMIT_EXCEEDED,
                        Resource.named(name),
                        name + " printed more than " + MOST_OUTPUT + " bytes");
            }
            return new Outcome(process.exitValue(), printed, errors.text());
        } finally {
            if (!isOver) {
                process.destroyForcibly();
                // Bounded, since a process that waits for a dead file server does not even end when it is killed.
                hasEnded(process, UNTIL_KILLED);
            }
        }
    }

    /** Waits until a process has ended; false when the time is over. */
    static boolean hasEnded(Process process, Duration limit) {
        return Waiting.uninterrupted(limit, nanos -> process.waitFor(nanos, TimeUnit.NANOSECONDS));
    }

    /** Makes what a program printed fit for a message: its name taken away, one line, printable, of bounded length. */
    static String told(String errors, String name) {
        StringBuilder text = new StringBuilder();
        errors.replace(name + ": ", "")
                .strip()
                .codePoints()
                .limit(LONGEST_MESSAGE)
                .map(point -> Character.isISOControl(point) || !Character.isDefined(point) ? ' ' : point)
                .forEach(text::appendCodePoint);
        return text.isEmpty() ? "it said nothing" : text.toString();
    }

    /** The code for what QEMU's tools print of a failure. */
    static ErrorCode codeOf(String errors) {
        if (errors.contains("lock\nIs another process using the image")
                || errors.contains("\"write\" lock")
                || errors.contains("\"consistent read\" lock")) {
            return ErrorCode.BUSY;
        }
        if (errors.contains("No space left on device") || errors.contains("Disk quota exceeded")) {
            return ErrorCode.NO_SPACE;
        }
        if (errors.contains("No such file or directory")) {
            return ErrorCode.NOT_FOUND;
        }
        if (errors.contains("Permission denied")
                || errors.contains("Operation not permitted")
                || errors.contains("Read-only file system")) {
            return ErrorCode.ACCESS_DENIED;
        }
        if (errors.contains("Unknown driver") || errors.contains("Driver is not whitelisted")) {
            return ErrorCode.UNSUPPORTED;
        }
        return ErrorCode.IO_ERROR;
    }

    /** Reads a stream to its end, on a thread of its own, and keeps the beginning. */
    static final class Drain {
        private final ByteArrayOutputStream kept = new ByteArrayOutputStream();
        private final Thread thread;
        private boolean isTooLong;

        private Drain(InputStream stream, int most, String name) {
            thread = new Thread(() -> drain(stream, most), "genievm-" + name);
            thread.setDaemon(true);
        }

        static Drain of(InputStream stream, int most, String name) {
            Drain drain = new Drain(stream, most, name);
            drain.thread.start();
            return drain;
        }

        /** Of a program that runs for long: what it printed on its standard error. */
        static Drain ofErrors(Process process, String name) {
            return of(process.getErrorStream(), MOST_ERRORS, name);
        }

        private void drain(InputStream stream, int most) {
            byte[] buffer = new byte[8192];
            try (stream) {
                int count = stream.read(buffer);
                while (count >= 0) {
                    synchronized (kept) {
                        int room = Math.min(count, most - kept.size());
                        kept.write(buffer, 0, room);
                        isTooLong |= room < count;
                    }
                    count = stream.read(buffer);
                }
            } catch (IOException e) {
                // The process was ended and its pipe closed: what has come is what there is.
            }
        }

        /** What has come until the stream ended; or until now, when something else keeps it open. */
        String text() {
            Waiting.uninterrupted(UNTIL_DRAINED, nanos -> {
                // 0 would wait without end.
                thread.join(Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos)));
                return true;
            });
            synchronized (kept) {
                return kept.toString(StandardCharsets.UTF_8);
            }
        }

        boolean isTooLong() {
            synchronized (kept) {
                return isTooLong;
            }
        }
    }
}
