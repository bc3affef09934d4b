package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyRequest;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each place that can become full does, in a process that has little else. Needs the right to mount a small disk. */
class NoSpaceIT {
    private static final int DISK_MEBIBYTES = 12;

    @TempDir
    private Path folder;

    @TempDir
    private Path outputs;

    private Path disk;

    @BeforeEach
    void mount() throws Exception {
        disk = Files.createDirectory(folder.resolve("disk"));
        assumeTrue(
                tool("mount", "-t", "tmpfs", "-o", "size=" + DISK_MEBIBYTES + "m", "genievm-test", disk.toString())
                        == 0,
                "may mount a file system");
        write("small", 2);
        write("big", 64);
    }

    @AfterEach
    void unmount() throws Exception {
        tool("umount", disk.toString());
    }

    @Test
    void theRepository() throws Exception {
        Path repository = disk.resolve("repository");
        run("init", "--repo", repository.toString()).succeeds();
        run(backup(repository, "small")).succeeds();
        long before = used(repository);

        Command.Outcome outcome = run(backup(repository, "big"));

        assertNoSpace(outcome, repository);
        assertThat(used(repository)).as("bytes in the repository").isEqualTo(before);
        run("verify", "--repo", repository.toString()).succeeds();
        restore(repository, "small");
        run(backup(repository, "small")).succeeds();
    }

    /** Ever more room, so that one object after the other is the one that does not fit. */
    @Test
    void theRepositoryInTheMiddleOfATask() throws Exception {
        Path repository = disk.resolve("repository");
        try (GenieVm genie = GenieVm.open();
                Repository opened = genie.createRepository(
                        BlobStoreConfig.of(repository.toString()), new RepositoryOptions(4096, 65536, 1 << 20));
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + folder.resolve("vms")))) {
            opened.backup(host, request("small")).await();
            int failures = 0;
            for (long room = 0, seed = 0; opened.points().points().size() == 1; room += 12 << 10) {
                new SparseFile(image("small")).write(0, SparseFile.noise(seed++, 100_000));
                makeRoom(room);
                long before = used(repository);
                int points = opened.points().points().size();
                try {
                    opened.backup(host, request("small")).await();
                } catch (GenieVmException e) {
                    failures++;
                    assertThat(e.code()).as(e.toString()).isEqualTo(ErrorCode.NO_SPACE);
                    assertThat(e.getMessage()).contains(repository.toString());
                    assertThat(used(repository)).as("after %s", e).isEqualTo(before);
                    assertThat(opened.points().points()).hasSize(points);
                }
                assertThat(opened.verify(VerifyRequest.EVERYTHING).await().damage())
                        .isEmpty();
            }
            assertThat(failures).isGreaterThan(8);
            Files.delete(disk.resolve("filler"));
            opened.backup(host, request("small")).await();
        }
        restore(repository, "small");
    }

    /** With all of the space gone, down to what a name takes. */
    @Test
    void theRepositoryToTheLastByte() throws Exception {
        Path repository = disk.resolve("repository");
        run("init", "--repo", repository.toString()).succeeds();
        run(backup(repository, "small")).succeeds();
        fill(disk.resolve("filler"));
        long before = used(repository);

        assertNoSpace(run(backup(repository, "small")), repository);

        assertThat(used(repository)).isEqualTo(before);
        run("verify", "--repo", repository.toString()).succeeds();
        restore(repository, "small");
    }

    @Test
    void theTarget() throws Exception {
        Path repository = folder.resolve("repository");
        run("init", "--repo", repository.toString()).succeeds();
        run(backup(repository, "big")).succeeds();

        Command.Outcome outcome =
                run("restore", "--json", "--repo", repository.toString(), "--vm", "big", "--to", disk + "/target");

        assertNoSpace(outcome, disk);
        assertThat(used(disk)).isZero();
    }

    @Test
    void theTargetOfANewVm() throws Exception {
        Path repository = folder.resolve("repository");
        run("init", "--repo", repository.toString()).succeeds();
        run(backup(repository, "big")).succeeds();
        Files.createDirectory(disk.resolve("vms"));

        Command.Outcome outcome = run(
                "restore",
                "--json",
                "--repo",
                repository.toString(),
                "--vm",
                "big",
                "--host",
                "images:" + disk + "/vms",
                "--name",
                "new");

        assertNoSpace(outcome, disk);
        assertThat(used(disk)).isZero();
    }

    /** The platform's folder for temporary files, which native libraries go to as well. */
    @Test
    void thePlacesForTemporaryFiles() throws Exception {
        Path repository = folder.resolve("repository");
        run("init", "--repo", repository.toString()).succeeds();
        run(backup(repository, "small")).succeeds();
        long before = used(repository);
        fill(disk.resolve("filler"));
        for (String[] command : List.of(
                backup(repository, "big"),
                new String[] {"verify", "--json", "--repo", repository.toString()},
                new String[] {
                    "restore", "--json", "--repo", repository.toString(), "--vm", "small", "--to", folder + "/target"
                })) {
            Command.Outcome outcome = Command.run(outputs, List.of("-Xmx256m", "-Djava.io.tmpdir=" + disk), command);
            assertNoSpace(outcome, disk);
        }
        assertThat(used(repository)).isEqualTo(before);
        assertThat(folder.resolve("target/disk.raw")).doesNotExist();
    }

    @Test
    void theWorkDirectoryInTheMiddleOfATask() throws Exception {
        Path repository = folder.resolve("repository");
        long step = 256 << 10;
        int failures = 0;
        try (GenieVm genie = GenieVm.builder().workDirectory(disk).open();
                Repository opened = genie.createRepository(
                        BlobStoreConfig.of(repository.toString()), new RepositoryOptions(4096, 65536, 4 << 20));
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + folder.resolve("vms")))) {
            opened.backup(host, request("small")).await();
            long before = used(repository);
            // Ever more room, so that one step after the other is the one that fails.
            boolean done = false;
            for (long room = 0; !done; room += step) {
                makeRoom(room);
                try {
                    opened.backup(host, request("big")).await();
                    done = true;
                } catch (GenieVmException e) {
                    failures++;
                    assertThat(e.code()).as(e.toString()).isEqualTo(ErrorCode.NO_SPACE);
                    assertThat(e.getMessage()).contains(disk.toString());
                    assertThat(used(repository)).isEqualTo(before);
                }
                assertThat(names(disk)).containsExactly("filler");
            }
            assertThat(failures).isGreaterThan(2);
            fill(disk.resolve("filler"));
            assertThatThrownBy(() -> opened.restore(RestoreRequest.builder(new VmId("big"))
                                    .toFolder(folder.resolve("target"))
                                    .build())
                            .await())
                    .hasMessageContaining(disk.toString());
            assertThatThrownBy(() -> opened.verify(VerifyRequest.EVERYTHING).await())
                    .hasMessageContaining(disk.toString());
            Files.delete(disk.resolve("filler"));
            assertThat(opened.verify(VerifyRequest.EVERYTHING).await().damage()).isEmpty();
            assertThat(opened.points().points()).hasSize(2);
        }
        restore(repository, "big");
    }

    private static BackupRequest request(String vm) {
        return BackupRequest.builder(new VmId(vm)).codec(Codec.NONE).build();
    }

    /** One clear line that names the place, and the status of a failure. */
    private static void assertNoSpace(Command.Outcome outcome, Path place) throws IOException {
        assertThat(outcome.status()).as(outcome.error() + outcome.output()).isEqualTo(1);
        assertThat(outcome.json().at("/error/code").textValue()).isEqualTo("NO_SPACE");
        assertThat(outcome.error()
                        .lines()
                        .filter(line -> line.startsWith("genievm: "))
                        .toList())
                .hasSize(1)
                .first()
                .asString()
                .contains(place.toString());
    }

    private void restore(Path repository, String vm) throws Exception {
        Path target = folder.resolve("restored");
        run("restore", "--repo", repository.toString(), "--vm", vm, "--to", target.toString())
                .succeeds();
        new SparseFile(target.resolve("disk.raw")).requireEqualTo(new SparseFile(image(vm)));
    }

    private Command.Outcome run(String... words) throws Exception {
        return Command.run(outputs, List.of("-Xmx256m"), words);
    }

    private String[] backup(Path repository, String vm) {
        return new String[] {
            "backup", "--json", "--host", "images:" + folder.resolve("vms"), "--repo", repository.toString(), "--vm", vm
        };
    }

    private Path image(String vm) {
        return folder.resolve("vms").resolve(vm).resolve("disk.raw");
    }

    private void write(String vm, int mebibytes) throws IOException {
        Files.createDirectories(image(vm).getParent());
        Files.write(image(vm), SparseFile.noise(vm.hashCode(), mebibytes << 20));
    }

    /** Leaves about so many bytes free. */
    private void makeRoom(long bytes) throws IOException {
        Path filler = disk.resolve("filler");
        fill(filler);
        try (FileChannel file = FileChannel.open(filler, StandardOpenOption.WRITE)) {
            file.truncate(Math.max(0, file.size() - bytes));
        }
    }

    /** Writes until nothing more fits. */
    private static void fill(Path file) throws IOException {
        for (int piece : new int[] {1 << 20, 4096}) {
            try (var out = Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
                byte[] bytes = SparseFile.noise(1, piece);
                while (true) {
                    out.write(bytes);
                }
            } catch (IOException e) {
                // Full.
            }
        }
    }

    private static long used(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        }
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static int tool(String... words) throws Exception {
        return new ProcessBuilder(words)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }
}
