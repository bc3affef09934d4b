package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A backup that is killed at any moment harms no point, and the next one goes on. */
@Tag("torture")
class KillIT {
    private static final int KILLS = 50;

    @TempDir
    private Path folder;

    @TempDir
    private Path outputs;

    private final long imageBytes = Torture.scaled(320L << 20);
    private final Map<String, String> digests = new HashMap<>();
    private Path image;
    private Path work;
    private long seed = 1;

    @BeforeEach
    void make() throws Exception {
        image = Files.createDirectories(folder.resolve("vms/vm")).resolve("disk.raw");
        work = Files.createDirectory(folder.resolve("work"));
        Files.createFile(image);
        run("init", "--repo", repository()).succeeds();
        rewrite(0, imageBytes);
        backUp();
    }

    @Test
    void atRandomMoments() throws Exception {
        SplittableRandom random = new SplittableRandom(4711);
        double seconds = 1;
        int killedAtWork = 0;
        int committed = 0;
        long lost = 0;
        long kills = Torture.scaled(KILLS);
        for (int kill = 0; kill < kills; kill++) {
            String digest = rewrite(random.nextLong(imageBytes / 2), imageBytes / 3);
            List<String> before = points();
            long bytesBefore = bytes(repository());
            // From the start of the JVM to a little after the end; every third time close to the end, where the commit
            // is.
            double share = kill % 3 == 2 ? 0.7 + 0.35 * random.nextDouble() : 1.1 * random.nextDouble();
            try (Command command = Command.start(
                    outputs, List.of("-Xmx256m", "-Djava.io.tmpdir=" + work, "-Djna.tmpdir=" + work), backup())) {
                TimeUnit.MICROSECONDS.sleep((long) (1e6 * seconds * share));
                killedAtWork += command.isAlive() ? 1 : 0;
                command.kill();
                command.await();
            }
            List<String> after = points();
            assertThat(after).containsAll(before);
            assertThat(after.size() - before.size()).isBetween(0, 1);
            for (String point : after) {
                committed += digests.putIfAbsent(point, digest) == null ? 1 : 0;
            }
            lost += after.size() == before.size() ? bytes(repository()) - bytesBefore : 0;
            assertThat(bytes(repository()) - bytesBefore)
                    .as("what kill %s left in the repository", kill)
                    .isLessThan(imageBytes / 3 + (4 << 20));

            Command.Outcome again = backUp();
            seconds = again.seconds();
            assertThat(folder.resolve("repository/.tmp"))
                    .as("leftovers of the dead")
                    .doesNotExist();
            run("verify", "--repo", repository()).succeeds();
        }
        assertThat(killedAtWork).as("kills that hit a running process").isGreaterThanOrEqualTo((int) (kills / 2));
        restoreAll();
        List<String> temporary = names(work);
        System.out.printf(
                "%d of %d killed at work, %d of them after the commit, %d MiB of the killed are left in %d MiB, work: %s%n",
                killedAtWork, kills, committed, lost >> 20, bytes(repository()) >> 20, temporary);
        assertThat(temporary).noneMatch(name -> name.startsWith("genievm"));
    }

    /** Every point that is listed comes back as the disk was when it was made. */
    private void restoreAll() throws Exception {
        List<String> points = points();
        assertThat(points).containsExactlyInAnyOrderElementsOf(digests.keySet());
        long sequence = 0;
        for (JsonNode point : list()) {
            assertThat(point.get("sequence").longValue()).isEqualTo(++sequence);
            assertThat(point.get("parent").asText("none"))
                    .isEqualTo(sequence == 1 ? "none" : points.get((int) sequence - 2));
            String id = point.get("id").textValue();
            Path target = folder.resolve("target");
            run("restore", "--repo", repository(), "--vm", "vm", "--point", id, "--to", target.toString())
                    .succeeds();
            assertThat(digest(target.resolve("disk.raw"))).as(id).isEqualTo(digests.get(id));
            Files.delete(target.resolve("disk.raw"));
        }
    }

    private Command.Outcome backUp() throws Exception {
        Command.Outcome outcome = run(backup()).succeeds();
        digests.put(outcome.json().get("point").textValue(), digest(image));
        return outcome;
    }

    private String[] backup() {
        return new String[] {
            "backup", "--json", "--host", "images:" + folder.resolve("vms"), "--repo", repository(), "--vm", "vm"
        };
    }

    private Command.Outcome run(String... words) throws Exception {
        return Command.run(outputs, List.of("-Xmx256m", "-Djava.io.tmpdir=" + work, "-Djna.tmpdir=" + work), words);
    }

    private List<JsonNode> list() throws Exception {
        JsonNode points =
                run("list", "--json", "--repo", repository()).succeeds().json().get("points");
        Map<Long, JsonNode> ordered = new TreeMap<>();
        points.forEach(point -> ordered.put(point.get("sequence").longValue(), point));
        assertThat(ordered).as("sequence numbers are unique").hasSize(points.size());
        return List.copyOf(ordered.values());
    }

    private List<String> points() throws Exception {
        return list().stream().map(point -> point.get("id").textValue()).toList();
    }

    private String repository() {
        return folder.resolve("repository").toString();
    }

    /** Writes new noise into a range of the image and gives the digest of the whole. */
    private String rewrite(long offset, long length) throws Exception {
        new SparseFile(image).write(offset, SparseFile.noise(seed++, (int) length));
        return digest(image);
    }

    private static String digest(Path file) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        try (InputStream in = Files.newInputStream(file);
                OutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
            in.transferTo(out);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> file.getFileName().toString())
                    .toList();
        }
    }

    private static long bytes(String folder) throws IOException {
        try (Stream<Path> files = Files.walk(Path.of(folder))) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(file -> file.toFile().length())
                    .sum();
        }
    }
}
