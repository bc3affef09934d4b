package io.genievm.storage.internal.file;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Another process that runs a main method of the tests, and can be killed. */
public final class ChildJvm implements AutoCloseable {
    private final Process process;
    private final BufferedReader output;

    private ChildJvm(Process process) {
        this.process = process;
        this.output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    /**
     * Starts a main method.
     *
     * @param main its class, on whose output {@link #awaitLine} waits
     * @param needed a class of each library that it needs
     */
    public static ChildJvm start(Class<?> main, List<Class<?>> needed, String... arguments) throws IOException {
        return start(main, List.of(), needed, arguments);
    }

    /** As {@link #start(Class, List, String...)}, with options of the JVM such as {@code -Xmx16m}. */
    public static ChildJvm start(Class<?> main, List<String> options, List<Class<?>> needed, String... arguments)
            throws IOException {
        Set<String> places = new LinkedHashSet<>();
        places.add(place(main));
        needed.forEach(type -> places.add(place(type)));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", String.join(File.pathSeparator, places), main.getName()));
        command.addAll(List.of(arguments));
        return new ChildJvm(
                new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    /** Waits until the child has printed a line, and shows what it printed instead. */
    public void awaitLine(String expected) throws IOException {
        List<String> lines = new ArrayList<>();
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.equals(expected)) {
                return;
            }
            lines.add(line);
        }
        assertThat(lines).as("the output of the child process").contains(expected);
    }

    /** Says whether the process has not ended by itself. */
    public boolean isAlive() {
        return process.isAlive();
    }

    /** Ends the process as a power cut would, as far as a process can tell. */
    @Override
    public void close() {
        process.destroyForcibly();
        try {
            assertThat(process.waitFor(1, TimeUnit.MINUTES)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
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
