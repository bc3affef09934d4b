package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole commands with 256 MiB of heap, whatever is backed up. */
class SmallHeapIT {
    private static final long PEAK_BYTES = 400L << 20;

    @TempDir
    private Path folder;

    @TempDir
    private Path outputs;

    private String heap = "-Xmx256m";

    @BeforeEach
    void init() throws Exception {
        run("init", "--repo", repository()).succeeds();
    }

    @Test
    void aDiskOf4TebibytesWithLittleData() throws Exception {
        long capacity = 4L << 40;
        SparseFile source = SparseFile.create(image("big", "disk.raw"), capacity);
        SplittableRandom random = new SplittableRandom(42);
        for (int i = 0; i < 160; i++) {
            source.write(random.nextLong(capacity - 65536), SparseFile.noise(i, 65536));
        }
        source.write(capacity - 3, new byte[] {1, 2, 3});
        Command.Outcome backup = backUp("big");
        // A scattered piece of 64 KiB lies in two chunks.
        assertThat(backup.json().at("/disks/0/readBytes").longValue()).isBetween(10L << 20, 21L << 20);
        Command.Outcome verify = verify();
        Command.Outcome restore = restore("big");
        assertEqual("big");
        assertThat(Stream.of(backup, verify, restore).mapToDouble(Command.Outcome::seconds))
                .allSatisfy(seconds -> assertThat(seconds).isLessThan(30));
    }

    @Test
    void aVmOfTwelveDisks() throws Exception {
        for (int disk = 0; disk < 12; disk++) {
            SparseFile.create(image("twelve", "disk-" + disk), 40L << 20)
                    .write(disk << 20, SparseFile.noise(disk, 10 << 20))
                    .write(30 << 20, SparseFile.noise(99, 5 << 20));
        }
        JsonNode report = backUp("twelve").json();
        assertThat(report.get("disks")).hasSize(12);
        long stored = 0;
        for (JsonNode disk : report.get("disks")) {
            stored += disk.get("storedBytes").longValue();
        }
        assertThat(stored).as("what the disks have in common is stored once").isBetween(125L << 20, 127L << 20);
        verify();
        restore("twelve");
        assertEqual("twelve");
    }

    @Test
    @Tag("torture")
    void twoGibibytesOfNoise() throws Exception {
        writeNoise(image("noise", "disk.raw"), Torture.scaled(2L << 30));
        backUp("noise");
        verify();
        restore("noise");
        assertEqual("noise");
    }

    @Test
    @Tag("torture")
    void allOfItWithHalfOfTheHeap() throws Exception {
        heap = "-Xmx128m";
        aDiskOf4TebibytesWithLittleData();
        aVmOfTwelveDisks();
        twoGibibytesOfNoise();
    }

    @Test
    @Tag("torture")
    void aMachineOfManyProcessors() throws Exception {
        writeNoise(image("noise", "disk.raw"), Torture.scaled(2L << 30));
        List<String> options = List.of(heap, "-XX:ActiveProcessorCount=128");
        Command.run(outputs, options, words("backup --host HOST --repo REPO --vm noise --json"))
                .succeeds();
        Command.run(outputs, options, words("verify --repo REPO")).succeeds();
        Command.run(outputs, options, words("restore --repo REPO --vm noise --to TARGET/noise"))
                .succeeds();
        assertEqual("noise");
    }

    private Command.Outcome backUp(String vm) throws Exception {
        return run(words("backup --host HOST --repo REPO --json --vm " + vm)).succeeds();
    }

    private Command.Outcome verify() throws Exception {
        return run(words("verify --repo REPO")).succeeds();
    }

    private Command.Outcome restore(String vm) throws Exception {
        return run(words("restore --repo REPO --vm " + vm + " --to TARGET/" + vm))
                .succeeds();
    }

    private Command.Outcome run(String... words) throws Exception {
        Command.Outcome outcome = Command.run(outputs, List.of(heap, "-XX:+ExitOnOutOfMemoryError"), words);
        assertThat(outcome.peakBytes()).isBetween(1L, PEAK_BYTES);
        return outcome;
    }

    private String[] words(String line) {
        return line.replace("HOST", "images:" + folder.resolve("vms"))
                .replace("REPO", repository())
                .replace("TARGET", folder.resolve("target").toString())
                .split(" ");
    }

    private String repository() {
        return folder.resolve("repository").toString();
    }

    private Path image(String vm, String disk) throws Exception {
        return Files.createDirectories(folder.resolve("vms").resolve(vm)).resolve(disk);
    }

    private void assertEqual(String vm) throws Exception {
        List<Path> sources = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder.resolve("vms").resolve(vm))) {
            files.forEach(sources::add);
        }
        for (Path source : sources) {
            SparseFile copy =
                    new SparseFile(folder.resolve("target").resolve(vm).resolve(source.getFileName()));
            copy.requireEqualTo(new SparseFile(source));
            copy.requireNoLargerThan(new SparseFile(source));
            Files.delete(copy.path());
        }
    }

    private static void writeNoise(Path file, long length) throws Exception {
        byte[] piece = new byte[1 << 20];
        SplittableRandom random = new SplittableRandom(7);
        try (OutputStream out = Files.newOutputStream(file)) {
            for (long done = 0; done < length; done += piece.length) {
                random.nextBytes(piece);
                out.write(piece, 0, (int) Math.min(piece.length, length - done));
            }
        }
    }
}
