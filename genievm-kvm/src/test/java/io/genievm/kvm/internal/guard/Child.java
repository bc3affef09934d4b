package io.genievm.kvm.internal.guard;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.jna.Native;
import io.genievm.api.ErrorCode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.LoggerFactory;

/** A JVM that runs a main method of the tests, to be killed. */
final class Child implements AutoCloseable {
    private final Process process;
    private final BufferedReader output;

    private Child(Process process) {
        this.process = process;
        output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    }

    static Child start(Class<?> main, String... arguments) throws IOException {
        Set<String> places = places(main);
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp"));
        command.add(String.join(File.pathSeparator, places));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        return new Child(new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    /** Where a class of the tests and all that it needs are. */
    static Set<String> places(Class<?> main) {
        Set<String> places = new LinkedHashSet<>();
        for (Class<?> type :
                List.of(main, Guardian.class, ErrorCode.class, Native.class, LoggerFactory.class, ObjectMapper.class)) {
            places.add(placeOf(type));
        }
        return places;
    }

    /** Waits for a line that begins so, and gives what is behind that. */
    String await(String beginning) throws IOException {
        List<String> others = new ArrayList<>();
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.startsWith(beginning)) {
                return line.substring(beginning.length());
            }
            others.add(line);
        }
        throw new AssertionError("no line \"" + beginning + "\", but " + others);
    }

    Process process() {
        return process;
    }

    /** Ends it as a power cut would, as far as a process can tell. */
    void kill() {
        process.destroyForcibly();
        try {
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        kill();
    }

    /** Where a class is from; the tests are patched into the module, so that its code source is not it. */
    private static String placeOf(Class<?> type) {
        String file = "/" + type.getName().replace('.', '/') + ".class";
        String place = String.valueOf(type.getResource(file));
        place = place.substring(0, place.length() - file.length());
        return place.replaceFirst("^jar:", "").replaceFirst("^file:", "").replaceFirst("!$", "");
    }
}
