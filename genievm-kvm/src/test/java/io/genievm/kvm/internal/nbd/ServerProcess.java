package io.genievm.kvm.internal.nbd;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A server of somebody else, as a process in the background. It listens when this has returned. */
final class ServerProcess implements AutoCloseable {
    private final ProcessHandle process;

    private ServerProcess(ProcessHandle process) {
        this.process = process;
    }

    /** Starts nbdkit, which writes its process id when it listens. */
    static ServerProcess nbdkit(Path folder, String... arguments) throws IOException {
        needs("nbdkit");
        Path pid = folder.resolve("nbdkit.pid");
        Files.deleteIfExists(pid);
        List<String> command =
                new ArrayList<>(List.of("nbdkit", "--foreground", "--exit-with-parent", "--pidfile", pid.toString()));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile(folder, "nbdkit", ".txt");
        try (WatchService changes = folder.getFileSystem().newWatchService()) {
            folder.register(changes, StandardWatchEventKinds.ENTRY_CREATE);
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
            while (!Files.exists(pid)) {
                WatchKey key = changes.poll(100, TimeUnit.MILLISECONDS);
                if (!process.isAlive() || System.nanoTime() - limit > 0) {
                    process.destroyForcibly();
                    throw new IOException(String.join(" ", command) + " failed: " + Files.readString(output));
                }
                if (key != null) {
                    key.reset();
                }
            }
            return new ServerProcess(process.toHandle());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }

    /** Starts qemu-nbd. */
    static ServerProcess qemuNbd(Path folder, String... arguments) throws IOException {
        Path pid = folder.resolve("qemu-nbd.pid");
        Files.deleteIfExists(pid);
        List<String> command =
                new ArrayList<>(List.of("qemu-nbd", "--fork", "--persistent", "--pid-file", pid.toString()));
        command.addAll(List.of(arguments));
        // It goes into the background when it listens.
        run(folder, command.toArray(String[]::new));
        return new ServerProcess(
                ProcessHandle.of(Long.parseLong(Files.readString(pid).strip()))
                        .orElseThrow(() -> new IOException("qemu-nbd ended at once")));
    }

    /** Runs a program to its end, and gives what it printed. */
    static String run(Path folder, String... command) throws IOException {
        needs(command[0]);
        Path output = Files.createTempFile(folder, "output", ".txt");
        Process process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        try {
            if (!process.waitFor(1, TimeUnit.MINUTES)) {
                process.destroyForcibly();
                throw new IOException(String.join(" ", command) + " does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
        if (process.exitValue() != 0) {
            throw new IOException(String.join(" ", command) + " failed: " + Files.readString(output));
        }
        return Files.readString(output);
    }

    /** Skips a test that needs a program that is not there; in CI it goes on, and fails. */
    static void needs(String program) {
        boolean found = List.of(System.getenv("PATH").split(":")).stream()
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
        assumeTrue(found || "true".equals(System.getenv("CI")), program + " is installed");
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    /** Stops it as it is, without its sockets being closed, or lets it go on. */
    void signal(Path folder, String name) throws IOException {
        run(folder, "kill", "-" + name, Long.toString(process.pid()));
    }

    boolean isRunning() {
        return process.isAlive();
    }

    void kill() {
        process.destroyForcibly();
        process.onExit().join();
    }

    @Override
    public void close() {
        kill();
    }
}
