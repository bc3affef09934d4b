package io.genievm.kvm.lab;

import io.genievm.api.GenieVmException;
import io.genievm.core.BackupReport;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A backup in a JVM of its own, which can be killed. */
public final class KilledBackup implements AutoCloseable {
    private static final String MARK = "GENIEVM_IT_MARK";
    private static final String BEGINS = "begins";
    private static final String HELD = "held";

    private final String mark = UUID.randomUUID().toString();
    private final Process process;
    private final BufferedReader output;

    private KilledBackup(String how, Path repository, Guest guest, Path scratch, String... options) throws IOException {
        String classPath = Stream.of(
                        System.getProperty("jdk.module.path"), System.getProperty("java.class.path"), testClasses())
                .filter(Objects::nonNull)
                .collect(Collectors.joining(File.pathSeparator));
        ProcessBuilder builder = new ProcessBuilder(Stream.concat(
                        Stream.of(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-cp",
                                classPath,
                                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                                KilledBackup.class.getName(),
                                how,
                                repository.toString(),
                                guest.name(),
                                scratch.toString()),
                        Stream.of(options))
                .toList());
        // What it starts has it as well, and is found by it however it is called.
        builder.environment().put(MARK, mark);
        process = builder.redirectError(ProcessBuilder.Redirect.INHERIT).start();
        output = process.inputReader();
    }

    /** Where this class is: in a module that is patched for the tests, neither path names it. */
    private static String testClasses() {
        try {
            String name = KilledBackup.class.getName().replace('.', '/') + ".class";
            URL url = Objects.requireNonNull(KilledBackup.class.getResource("KilledBackup.class"));
            String file = Path.of(url.toURI()).toString();
            return file.substring(0, file.length() - name.length());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Starts one, which begins its backup when this returns. */
    public static KilledBackup start(Path repository, Guest guest, Path scratch, String... options) throws IOException {
        return start(BEGINS, repository, guest, scratch, options);
    }

    /** Starts one, which has begun its backup when this returns, and reads nothing before {@link #goOn}. */
    public static KilledBackup startHeld(Path repository, Guest guest, Path scratch, String... options)
            throws IOException {
        return start(HELD, repository, guest, scratch, options);
    }

    private static KilledBackup start(String how, Path repository, Guest guest, Path scratch, String... options)
            throws IOException {
        KilledBackup backup = new KilledBackup(how, repository, guest, scratch, options);
        String line = backup.output.readLine();
        if (!how.equals(line)) {
            backup.close();
            throw new IllegalStateException("the other JVM said " + line);
        }
        return backup;
    }

    /** Lets one go on that is held. */
    public void goOn() throws IOException {
        process.getOutputStream().write('\n');
        process.getOutputStream().flush();
    }

    /** Waits until it has ended, and gives the point that it made or the code of its failure. */
    public String outcome() throws InterruptedException, IOException {
        await();
        return output.readLine();
    }

    /** Keeps it from doing anything, as a machine without a processor to spare. */
    public void stop() {
        Programs.run("kill", "-STOP", Long.toString(process.pid()));
    }

    /** Ends {@link #stop}. */
    public void proceed() {
        Programs.run("kill", "-CONT", Long.toString(process.pid()));
    }

    /** Waits until it has ended, and gives its exit status. */
    public int await() throws InterruptedException {
        if (!process.waitFor(2, TimeUnit.MINUTES)) {
            throw new IllegalStateException("the other JVM does not end");
        }
        return process.exitValue();
    }

    /** Waits until it has ended, but not longer. */
    public boolean await(Duration limit) throws InterruptedException {
        return process.waitFor(limit.toNanos(), TimeUnit.NANOSECONDS);
    }

    /** Kills it as it is. */
    public void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** Kills it and everything that it has started, in this order. */
    public void killAll() throws InterruptedException {
        List<ProcessHandle> children = children();
        process.destroyForcibly();
        children.forEach(ProcessHandle::destroyForcibly);
        process.waitFor();
    }

    /** The processes that it has started and that live, even after its end. */
    public List<ProcessHandle> children() {
        return ProcessHandle.allProcesses()
                .filter(candidate -> candidate.pid() != process.pid())
                .filter(this::isMarked)
                .toList();
    }

    private boolean isMarked(ProcessHandle candidate) {
        try {
            return Files.readString(
                            Path.of("/proc", Long.toString(candidate.pid()), "environ"), StandardCharsets.ISO_8859_1)
                    .contains(MARK + "=" + mark);
        } catch (IOException | UncheckedIOException e) {
            // It has ended.
            return false;
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /** The other JVM: how to go on, repository, domain, scratch folder, options of the driver. */
    public static void main(String[] arguments) throws InterruptedException, IOException {
        String how = arguments[0];
        String[] options = Arrays.copyOfRange(arguments, 4, arguments.length);
        try (Protection protection = Protection.open(
                Path.of(arguments[1]), arguments[2], Protection.config(Path.of(arguments[3]), options))) {
            BackupReport report;
            if (how.equals(HELD)) {
                try (Protection.Held held = protection.hold(request -> {})) {
                    System.out.println(how);
                    // Until the end of the line, or of the process that should write it.
                    while (System.in.read() > '\n') {}

                    report = held.finish();
                }
            } else {
                System.out.println(how);
                report = protection.backup(request -> {});
            }
            System.out.println(report.point().value());
        } catch (GenieVmException e) {
            System.out.println(e.code().name());
        }
    }
}
