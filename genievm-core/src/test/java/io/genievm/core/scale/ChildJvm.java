package io.genievm.core.scale;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A JVM of its own, with as little heap as a test wants. */
final class ChildJvm {
    private static final Pattern PEAK = Pattern.compile("VmHWM:\\s+(\\d+) kB");
    private static final long LIMIT_MINUTES = 20;

    private ChildJvm() {}

    /** What came of it: exit status, everything it printed, its largest resident set in bytes. */
    record Outcome(int status, String output, long peakBytes) {}

    static Outcome run(Path folder, List<String> options, Class<?> main, String... arguments)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.add("-Djava.io.tmpdir=" + folder);
        command.addAll(List.of("-cp", classPath(), main.getName()));
        command.addAll(List.of(arguments));
        Path output = folder.resolve("output.txt");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        long peak = 0;
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(LIMIT_MINUTES);
        while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
            peak = Math.max(peak, peak(process));
            if (System.nanoTime() - end > 0) {
                process.destroyForcibly();
            }
        }
        String text = Files.readString(output);
        System.out.println(text + "  " + main.getSimpleName() + " " + String.join(" ", options) + ": peak "
                + (peak >> 20) + " MiB resident");
        return new Outcome(process.exitValue(), text, peak);
    }

    private static long peak(Process process) throws IOException {
        Path status = Path.of("/proc/" + process.pid() + "/status");
        try {
            Matcher matcher = PEAK.matcher(Files.readString(status));
            return matcher.find() ? Long.parseLong(matcher.group(1)) << 10 : 0;
        } catch (IOException e) {
            // It has ended.
            return 0;
        }
    }

    /** Of modules, too, and of the classes that are patched into one. */
    private static String classPath() {
        String modules = System.getProperty("jdk.module.path");
        return String.join(
                File.pathSeparator,
                Path.of("target", "test-classes").toAbsolutePath().toString(),
                Path.of("target", "classes").toAbsolutePath().toString(),
                modules == null ? "" : modules,
                System.getProperty("java.class.path"));
    }
}
