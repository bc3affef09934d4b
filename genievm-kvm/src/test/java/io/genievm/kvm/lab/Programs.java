package io.genievm.kvm.lab;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs programs of others, each to its end and not longer than it may. */
public final class Programs {
    private static final Duration LIMIT = Duration.ofMinutes(1);

    private Programs() {}

    /**
     * What a program did.
     *
     * @param status its exit status
     * @param output what it printed, errors included
     */
    public record Result(int status, String output) {}

    /** Runs a program, and gives what it printed without the white space around. */
    public static String run(String... command) {
        Result result = attempt(LIMIT, command);
        if (result.status() != 0) {
            throw new IllegalStateException(
                    String.join(" ", command) + " failed with " + result.status() + ": " + result.output());
        }
        return result.output().strip();
    }

    /** Runs a program that may fail. */
    public static Result attempt(Duration limit, String... command) {
        try {
            Path output = Files.createTempFile("genievm-lab", ".txt");
            try {
                return attempt(limit, output, List.of(command));
            } finally {
                Files.delete(output);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Result attempt(Duration limit, Path output, List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .redirectOutput(output.toFile());
        // Messages are compared.
        builder.environment().put("LC_ALL", "C.UTF-8");
        Process process = builder.start();
        try {
            if (!process.waitFor(limit.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new IllegalStateException(
                        String.join(" ", command) + " did not end within " + limit + ": " + Files.readString(output));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted in " + String.join(" ", command), e);
        } finally {
            process.destroyForcibly();
        }
        return new Result(process.exitValue(), Files.readString(output));
    }
}
