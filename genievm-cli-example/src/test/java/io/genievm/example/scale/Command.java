package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.genievm.example.cli.Main;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The command line in a process of its own, whose memory is watched. */
final class Command implements AutoCloseable {
    private static final Pattern PEAK = Pattern.compile("VmHWM:\\s+(\\d+) kB");
    private static final long LIMIT_MINUTES = 20;

    private final List<String> words;
    private final Process process;
    private final Path output;
    private final Path error;
    private final long started = System.nanoTime();

    private Command(List<String> words, Process process, Path output, Path error) {
        this.words = words;
        this.process = process;
        this.output = output;
        this.error = error;
    }

    /**
     * What came of it.
     *
     * @param status exit status
     * @param output standard output
     * @param error standard error
     * @param peakBytes largest resident set, which is zero where that is not known
     * @param seconds how long it took
     */
    record Outcome(int status, String output, String error, long peakBytes, double seconds) {
        Outcome succeeds() {
            assertThat(status).as(error + output).isZero();
            return this;
        }

        JsonNode json() throws IOException {
            return JsonMapper.builder().build().readTree(output);
        }
    }

    /** Starts it with options of the JVM; its output goes to files in a folder. */
    static Command start(Path folder, List<String> options, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile(folder, "output", "");
        Path error = Files.createTempFile(folder, "error", "");
        Process process = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(output.toFile())
                .redirectError(error.toFile())
                .start();
        List<String> words = new ArrayList<>(options);
        words.addAll(List.of(arguments));
        return new Command(words, process, output, error);
    }

    /** Runs it to its end. */
    static Outcome run(Path folder, List<String> options, String... arguments)
            throws IOException, InterruptedException {
        try (Command command = start(folder, options, arguments)) {
            return command.await();
        }
    }

    Outcome await() throws IOException, InterruptedException {
        long peak = 0;
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(LIMIT_MINUTES);
        while (!process.waitFor(10, TimeUnit.MILLISECONDS)) {
            peak = Math.max(peak, peak());
            assertThat(System.nanoTime() - end).as("still running: %s", words).isNegative();
        }
        Outcome outcome = new Outcome(
                process.exitValue(),
                Files.readString(output),
                Files.readString(error),
                peak,
                (System.nanoTime() - started) / 1e9);
        System.out.printf("%s: %.1f s, peak %d MiB%n", words, outcome.seconds, peak >> 20);
        Files.delete(output);
        Files.delete(error);
        return outcome;
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** Ends it as the kernel does when there is no memory left. */
    void kill() {
        process.destroyForcibly();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    private long peak() {
        try {
            Matcher matcher = PEAK.matcher(Files.readString(Path.of("/proc/" + process.pid() + "/status")));
            return matcher.find() ? Long.parseLong(matcher.group(1)) << 10 : 0;
        } catch (IOException e) {
            // It has ended.
            return 0;
        }
    }
}
