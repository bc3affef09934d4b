package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** The command line in a process of its own. */
final class Program implements AutoCloseable {
    private static final long LIMIT_SECONDS = 60;

    private final Process process;
    private final Path output;
    private final Path error;

    private Program(Process process, Path output, Path error) {
        this.process = process;
        this.output = output;
        this.error = error;
    }

    /**
     * Starts it.
     *
     * @param folder where its output goes, and what is found on its class path first
     */
    static Program start(Path folder, Map<String, String> environment, String... arguments) throws IOException {
        List<String> command = new ArrayList<>();
        // Where the tests run in the background, the shell has taught them to ignore SIGINT, and children inherit that.
        command.addAll(List.of("env", "--default-signal=INT,TERM"));
        command.addAll(command(folder, arguments));
        return startCommand(folder, environment, command);
    }

    /** Starts it so that the permissions of files count, also for root. */
    static Program startWithoutPrivileges(Path folder, String... arguments) throws IOException {
        String privileges = "-dac_override,-dac_read_search";
        List<String> command = new ArrayList<>();
        if (System.getProperty("user.name").equals("root")) {
            command.addAll(List.of("setpriv", "--bounding-set=" + privileges, "--inh-caps=" + privileges));
        }
        command.addAll(command(folder, arguments));
        return startCommand(folder, Map.of(), command);
    }

    /** Starts it where standard output can not be written. */
    static Program startWithoutOutput(Path folder, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" >/dev/full", "sh"));
        command.addAll(command(folder, arguments));
        return startCommand(folder, Map.of(), command);
    }

    /** Starts it on a terminal of its own; what it writes there is its output. */
    static Program startOnTerminal(Path folder, String... arguments) throws IOException {
        String line = command(folder, arguments).stream()
                .map(word -> "'" + word + "'")
                .collect(Collectors.joining(" ", "stty cols 70; ", ""));
        return startCommand(folder, Map.of("TERM", "xterm"), List.of("script", "-qec", line, "/dev/null"));
    }

    private static List<String> command(Path folder, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        if (Runtime.version().feature() >= 22) {
            // As the launcher does; without it the JVM complains of every native library on standard error.
            command.add("--enable-native-access=ALL-UNNAMED");
        }
        command.addAll(List.of("-Xmx256m", "-cp", folder + File.pathSeparator + System.getProperty("java.class.path")));
        command.add(Main.class.getName());
        command.addAll(List.of(arguments));
        return command;
    }

    private static Program startCommand(Path folder, Map<String, String> environment, List<String> command)
            throws IOException {
        Path output = Files.createTempFile(folder, "output", "");
        Path error = Files.createTempFile(folder, "error", "");
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(output.toFile())
                .redirectError(error.toFile());
        builder.environment().remove("GENIEVM_DEBUG");
        builder.environment().putAll(environment);
        return new Program(builder.start(), output, error);
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** Waits until it has said something on standard error. */
    void awaitWords(String words) throws IOException, InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (!Files.readString(error).contains(words)) {
            assertThat(process.isAlive() && System.nanoTime() - end < 0)
                    .as("still waiting for '%s'; there is '%s'", words, Files.readString(error))
                    .isTrue();
            Thread.sleep(20);
        }
    }

    void signal(String name) throws IOException, InterruptedException {
        Process kill = new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start();
        assertThat(kill.waitFor()).isZero();
    }

    Run await() throws IOException, InterruptedException {
        assertThat(process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS)).as("ends").isTrue();
        return new Run(process.exitValue(), Files.readString(output), Files.readString(error));
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }
}
