package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random histories of a disk whose changes are told rightly, not at all, or wrongly: what is called proven is right, and
 * points differ where what is restored from them does.
 */
class HistoryTest {
    private static final int CHUNK = 64 << 10;
    private static final int STEPS = 20;
    private static final List<String> OPTIONS = List.of(
            "",
            "",
            "--audit none",
            "--audit-share 1/3",
            "--audit-share 0.5",
            "--audit-share 1",
            "--audit full",
            "--full");

    @TempDir
    private Path directory;

    // Set by the test before anything else.
    @SuppressWarnings("NullAway.Init")
    private Site site;

    @SuppressWarnings("NullAway.Init")
    private SplittableRandom random;

    @SuppressWarnings("NullAway.Init")
    private byte[] content;

    private String token = "none";
    private final Map<String, byte[]> truth = new LinkedHashMap<>();

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void whatIsProvenIsRight(long seed) throws IOException {
        site = new Site(directory).withRepository();
        random = new SplittableRandom(seed);
        content = Site.noise(seed, 3_000_000 + random.nextInt(1_000_000));
        int lies = 0;
        for (int step = 0; step < STEPS; step++) {
            lies += change() ? 1 : 0;
            String options = OPTIONS.get(random.nextInt(OPTIONS.size()));
            JsonNode report = site.backUp("web " + options).succeeds().json();
            truth.put(report.get("point").textValue(), content.clone());
            if (random.nextInt(6) == 0) {
                delete();
            }
        }
        assertThat(lies).as("lies").isPositive();

        Map<String, byte[]> restored = restoreAll();

        assertThat(restored.keySet()).containsExactlyElementsOf(truth.keySet());
        assertDifferences(restored);
        JsonNode verified = site.run("verify --json --repo REPO").succeeds().json();
        assertThat(verified.get("ok").booleanValue()).isTrue();
        // The last word: from here on the latest is right, whatever came before.
        String last =
                site.backUp("web --audit full").succeeds().json().get("point").textValue();
        site.run("restore --repo REPO --vm web --to ROOT/last").succeeds();
        assertThat(Arrays.mismatch(Files.readAllBytes(directory.resolve("last/root.raw")), content))
                .as("restored from %s", last)
                .isEqualTo(-1);
    }

    /** Writes here and there, and tells of it one way or another. Gives whether that was a lie. */
    private boolean change() throws IOException {
        if (random.nextInt(10) == 0) {
            content = Arrays.copyOf(content, content.length + random.nextInt(-200_000, 200_000));
        }
        List<Extent> written = new ArrayList<>();
        int end = 0;
        while (end < content.length && written.size() < 6) {
            int offset = end + random.nextInt(1_000_000);
            int length = Math.min(1 + random.nextInt(100_000), content.length - offset);
            if (length > 0) {
                byte[] bytes = random.nextInt(4) == 0 ? new byte[length] : Site.noise(random.nextLong(), length);
                System.arraycopy(bytes, 0, content, offset, length);
                written.add(new Extent(offset, length));
            }
            end = offset + Math.max(1, length);
        }
        Path image = site.image("web", "root.raw", content);
        String since = token;
        token = "moment-" + random.nextLong();
        switch (random.nextInt(8)) {
            case 0 -> Files.deleteIfExists(image.resolveSibling("root.raw.changes"));
            case 1 -> new ChangeList(token, null, List.of()).write(image);
            case 2 -> new ChangeList(token, "long-ago", List.of()).write(image);
            case 3 -> {
                boolean lie = !written.isEmpty();
                if (lie) {
                    written.remove(random.nextInt(written.size()));
                }
                new ChangeList(token, since, written).write(image);
                return lie;
            }
            default -> new ChangeList(token, since, written).write(image);
        }
        return false;
    }

    private void delete() {
        List<String> points = List.copyOf(truth.keySet());
        String point = points.get(random.nextInt(points.size()));
        site.run("delete --repo REPO --point " + point).succeeds();
        truth.remove(point);
    }

    /** Gives what is restored from each point that is listed. */
    private Map<String, byte[]> restoreAll() throws IOException {
        Map<String, byte[]> restored = new LinkedHashMap<>();
        for (JsonNode point :
                site.run("list --json --repo REPO").succeeds().json().get("points")) {
            String id = point.get("id").textValue();
            Path target = directory.resolve(id);
            site.run("restore --repo REPO --vm web --point %s --to %s".formatted(id, target))
                    .succeeds();
            byte[] bytes = Files.readAllBytes(target.resolve("root.raw"));
            restored.put(id, bytes);
            boolean right = Arrays.equals(bytes, truth.get(id));
            assertThat(right || !point.at("/disks/0/trust").textValue().equals("proven"))
                    .as("what is proven is right: %s", point)
                    .isTrue();
        }
        return restored;
    }

    private void assertDifferences(Map<String, byte[]> restored) {
        List<String> points = List.copyOf(restored.keySet());
        for (int i = 0; i < STEPS; i++) {
            String from = points.get(random.nextInt(points.size()));
            String to = points.get(random.nextInt(points.size()));
            JsonNode diff = site.run("diff --json --repo REPO --point %s --point %s".formatted(from, to))
                    .succeeds()
                    .json();
            List<Extent> shown = new ArrayList<>();
            diff.at("/disks/0/extents")
                    .forEach(extent -> shown.add(new Extent(
                            extent.get("offset").longValue(),
                            extent.get("length").longValue())));
            assertThat(shown)
                    .as("%s to %s", from, to)
                    .isEqualTo(differences(
                            Objects.requireNonNull(restored.get(from)), Objects.requireNonNull(restored.get(to))));
        }
    }

    private static List<Extent> differences(byte[] from, byte[] to) {
        int size = Math.max(from.length, to.length);
        byte[] before = Arrays.copyOf(from, size);
        byte[] after = Arrays.copyOf(to, size);
        List<Extent> differences = new ArrayList<>();
        int start = -1;
        for (int chunk = 0; chunk < size + CHUNK; chunk += CHUNK) {
            int end = Math.min(chunk + CHUNK, size);
            boolean differs = chunk < size && !Arrays.equals(before, chunk, end, after, chunk, end);
            if (differs && start < 0) {
                start = chunk;
            } else if (!differs && start >= 0) {
                differences.add(new Extent(start, Math.min(chunk, size) - start));
                start = -1;
            }
        }
        return differences;
    }
}
