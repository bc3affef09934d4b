package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.RepositoryOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A first backup that is killed is not for nothing: the next one finds what index tables tell. A session puts one for
 * every 32 768 chunks or GiB at the latest; with the smallest chunks that is 128 MiB, so that a small disk is enough.
 */
class InterruptedFirstBackupIT {
    private static final int CHUNK = 4096;
    private static final long TABLE_BYTES = (1L << 15) * CHUNK;
    private static final long IMAGE_BYTES = 384L << 20;
    private static final long PACK_BYTES = 8L << 20;
    /** Headers, footers, pages, and the packs that were full when the last table was put. */
    private static final long GRACE_BYTES = 3 * PACK_BYTES;

    @TempDir
    private Path folder;

    @TempDir
    private Path outputs;

    @Test
    void whatTablesTellIsNotStoredAgain() throws Exception {
        Path image = Files.createDirectories(folder.resolve("vms/vm")).resolve("disk.raw");
        SparseFile source = SparseFile.create(image, IMAGE_BYTES);
        for (long at = 0; at < IMAGE_BYTES; at += 32 << 20) {
            source.write(at, SparseFile.noise(at, 32 << 20));
        }
        try (GenieVm genie = GenieVm.open()) {
            genie.createRepository(
                            BlobStoreConfig.of(repository().toString()),
                            new RepositoryOptions(CHUNK, 1 << 20, (int) PACK_BYTES))
                    .close();
        }

        killAfterFirstTable();
        long left = bytes("packs");
        assertThat(left).isGreaterThanOrEqualTo(TABLE_BYTES);
        assertThat(run("list", "--json", "--repo", repository().toString())
                        .json()
                        .get("points"))
                .isEmpty();
        JsonNode report = run(backup()).json();

        long stored = report.at("/disks/0/storedBytes").longValue();
        assertThat(stored).as("what no table told").isLessThanOrEqualTo(IMAGE_BYTES - TABLE_BYTES + GRACE_BYTES);
        assertThat(left + stored - IMAGE_BYTES).as("stored again").isLessThanOrEqualTo(TABLE_BYTES + GRACE_BYTES);
        run("verify", "--repo", repository().toString());
        Path target = folder.resolve("target");
        run("restore", "--repo", repository().toString(), "--vm", "vm", "--to", target.toString());
        new SparseFile(target.resolve("disk.raw")).requireEqualTo(source);
        System.out.printf(
                "killed with %d MiB of %d MiB in packs, then stored %d MiB%n",
                left >> 20, IMAGE_BYTES >> 20, stored >> 20);
    }

    private void killAfterFirstTable() throws Exception {
        try (Command command = Command.start(outputs, List.of("-Xmx256m"), backup())) {
            while (bytes("index") == 0) {
                assertThat(command.isAlive())
                        .as("ended before it could be killed")
                        .isTrue();
                TimeUnit.MILLISECONDS.sleep(5);
            }
            command.kill();
            command.await();
        }
    }

    private String[] backup() {
        return new String[] {
            "backup",
            "--json",
            "--host",
            "images:" + folder.resolve("vms"),
            "--repo",
            repository().toString(),
            "--vm",
            "vm",
            "--codec",
            "none"
        };
    }

    private Command.Outcome run(String... words) throws Exception {
        return Command.run(outputs, List.of("-Xmx256m"), words).succeeds();
    }

    private Path repository() {
        return folder.resolve("repository");
    }

    private long bytes(String prefix) throws IOException {
        Path objects = repository().resolve(prefix);
        if (!Files.exists(objects)) {
            return 0;
        }
        try (Stream<Path> files = Files.walk(objects)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        }
    }
}
