package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.kvm.lab.Programs;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** What the tests of this package do again and again. */
final class Steps {
    /** Where QEMU can make sockets whoever it runs as. */
    static final Path SOCKETS = Path.of("/var/tmp");

    private static final int PIECE = 1 << 20;

    private Steps() {}

    /** Checks that a call fails with the right code, and gives the exception. */
    static GenieVmException fails(ErrorCode expected, ThrowingCallable call) {
        Throwable failure = catchThrowable(call);
        assertThat(failure).as("the failure with %s", expected).isInstanceOf(GenieVmException.class);
        assertThat(((GenieVmException) failure).code()).as("%s", failure).isEqualTo(expected);
        return (GenieVmException) failure;
    }

    static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    static NewVmRequest request(
            String name, Map<String, Long> disks, Map<String, String> hardware, Map<String, String> options) {
        return new NewVmRequest(
                name,
                new TreeMap<>(disks)
                        .entrySet().stream()
                                .map(disk -> new VmDescription.Disk(new DiskId(disk.getKey()), disk.getValue()))
                                .toList(),
                hardware,
                options,
                Cancellation.NEVER);
    }

    /** Writes a disk of a new VM, the end before the beginning, and leaves out what is zero. */
    static void fill(NewVm vm, String disk, byte[] bytes) {
        try (DiskWriter writer = vm.openWriter(new DiskId(disk))) {
            for (int at = (bytes.length - 1) / PIECE * PIECE; at >= 0; at -= PIECE) {
                byte[] piece = Arrays.copyOfRange(bytes, at, Math.min(bytes.length, at + PIECE));
                if (!Arrays.equals(piece, new byte[piece.length])) {
                    writer.write(at, direct(piece));
                }
            }
            writer.flush();
        }
    }

    static byte[] read(DiskReader reader, int length) {
        byte[] bytes = new byte[length];
        for (int at = 0; at < length; at += PIECE) {
            ByteBuffer piece = ByteBuffer.allocateDirect(Math.min(PIECE, length - at));
            reader.read(at, piece);
            piece.flip().get(bytes, at, piece.limit());
        }
        return bytes;
    }

    static ByteBuffer direct(byte[] bytes) {
        return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    }

    /** Checks that an image holds the bytes of a file, with a program of others. */
    static void assertHolds(Path image, String format, Path raw) {
        Programs.run("qemu-img", "compare", "-f", "raw", "-F", format, raw.toString(), image.toString());
    }

    /** The names in a folder that begin with a dot. */
    static List<String> hidden(Path folder) {
        return names(folder).stream().filter(name -> name.startsWith(".")).toList();
    }

    /** The other names in a folder. */
    static List<String> shown(Path folder) {
        return names(folder).stream().filter(name -> !name.startsWith(".")).toList();
    }

    private static List<String> names(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Starts a program of the tests in a process of its own, and returns when it has printed a line. */
    static Process start(Class<?> main, String... arguments) {
        String modules = System.getProperty("jdk.module.path");
        String classPath = String.join(
                File.pathSeparator,
                Path.of("target", "test-classes").toAbsolutePath().toString(),
                Path.of("target", "classes").toAbsolutePath().toString(),
                modules == null ? "" : modules,
                System.getProperty("java.class.path"));
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp", classPath));
        command.add(main.getName());
        command.addAll(List.of(arguments));
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            assertThat(process.inputReader().readLine()).isEqualTo("ready");
            return process;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Kills a process and what it has started only if that does not end by itself. */
    static void kill9(Process process) throws InterruptedException {
        List<ProcessHandle> children = process.descendants().toList();
        process.destroyForcibly().waitFor();
        for (ProcessHandle child : children) {
            for (int i = 0; i < 200 && child.isAlive(); i++) {
                TimeUnit.MILLISECONDS.sleep(50);
            }
            assertThat(child.isAlive()).as("%s lives", child.info()).isFalse();
        }
    }
}
