package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Another process that runs a main method of the tests, and can be killed: what a crash leaves behind is only seen when
 * it was one. For one thread, but {@link #kill} may be called by any.
 *
 * @since 0.1
 */
public final class ChildJvm implements AutoCloseable {
    private final Process process;
    private final BufferedReader output;
    private final PrintWriter input;

    private ChildJvm(Process process) {
        this.process = process;
        this.output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        this.input = new PrintWriter(new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8), true);
    }

    /**
     * Starts a main method with the class path, and the modules on a path, of this process. What it writes to standard
     * error comes with its output.
     *
     * @param main its class
     * @param options of the JVM, such as {@code -Xmx16m}
     * @param arguments of the main method
     * @return the process, which is killed when it is closed
     * @throws IOException when it can not be started
     */
    public static ChildJvm start(Class<?> main, List<String> options, String... arguments) throws IOException {
        Set<String> places = new LinkedHashSet<>();
        places.add(place(main));
        for (String path : new String[] {"java.class.path", "jdk.module.path"}) {
            places.addAll(List.of(System.getProperty(path, "").split(File.pathSeparator)));
        }
        places.remove("");
        List<String> command = new ArrayList<>();
        // Where the tests run in the background, the shell has taught them to ignore SIGINT, and children inherit that.
        command.addAll(List.of("env", "--default-signal=INT,TERM"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", String.join(File.pathSeparator, places), main.getName()));
        command.addAll(List.of(arguments));
        return new ChildJvm(
                new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    /**
     * Waits until the child has printed a line.
     *
     * @param expected the line
     * @throws IOException when its output can not be read
     * @throws AssertionError when the output ends without it; the message has what was printed instead
     */
    public void awaitLine(String expected) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String line = readLine(); line != null; line = readLine()) {
            if (line.equals(expected)) {
                return;
            }
            lines.add(line);
        }
        assertThat(lines).as("the output of the child process").contains(expected);
    }

    /**
     * Waits for the next line that the child prints; what it has printed before it was killed is still to be read.
     *
     * @return the line; {@code null} when the output has ended
     * @throws IOException when it can not be read
     */
    public @Nullable String readLine() throws IOException {
        return output.readLine();
    }

    /**
     * Gives the child a line to read. One that has ended already is told nothing.
     *
     * @param line the line
     */
    public void tell(String line) {
        input.println(line);
    }

    /**
     * Says whether the process has not ended by itself.
     *
     * @return whether it is there
     */
    public boolean isAlive() {
        return process.isAlive();
    }

    /** Ends the process as a power cut would, as far as a process can tell: with SIGKILL. Does not wait for its end. */
    public void kill() {
        // Not by the process itself, which would close the output as well.
        process.toHandle().destroyForcibly();
    }

    /** Kills the process, if it still runs, and waits for its end. */
    @Override
    public void close() {
        kill();
        try {
            assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        // Its ends of the pipes.
        process.destroy();
    }

    /** Where a class was found: not its code source, which for the tests of a module is the module itself. */
    private static String place(Class<?> type) {
        String file = "/" + type.getName().replace('.', '/') + ".class";
        URL url = type.getResource(file);
        String text = String.valueOf(url);
        String place = text.substring(0, text.length() - file.length());
        if (place.startsWith("jar:")) {
            place = place.substring("jar:".length(), place.length() - 1);
        }
        return Path.of(URI.create(place)).toString();
    }
}
