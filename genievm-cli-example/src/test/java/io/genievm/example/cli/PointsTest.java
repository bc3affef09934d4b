package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Points that are compared and deleted. */
class PointsTest {
    private static final int CHUNK = 64 << 10;
    private static final int SIZE = 10 * CHUNK + 100;

    @TempDir
    private Path directory;

    private Site site;
    private final byte[] first = Site.noise(1, SIZE);
    private final byte[] second = first.clone();
    private final byte[] third = first.clone();
    private String point1;
    private String point2;
    private String point3;

    @BeforeEach
    void makeThreePoints() throws IOException {
        Arrays.fill(second, 2 * CHUNK + 1, 4 * CHUNK, (byte) 7);
        second[6 * CHUNK]++;
        third[SIZE - 1]++;
        site = new Site(directory).withRepository();
        point1 = point(first);
        point2 = point(second);
        point3 = point(third);
    }

    @Test
    void diffShowsWhatDiffers() {
        JsonNode diff = diff(point1, point2).json();

        assertThat(diff.get("from").textValue()).isEqualTo(point1);
        assertThat(diff.get("to").textValue()).isEqualTo(point2);
        assertThat(diff.get("disks")).hasSize(1);
        assertThat(diff.at("/disks/0/id").textValue()).isEqualTo("root.raw");
        assertThat(diff.at("/disks/0/fromCapacity").longValue()).isEqualTo(SIZE);
        assertThat(diff.at("/disks/0/toCapacity").longValue()).isEqualTo(SIZE);
        assertExtents(diff, "%d+%d %d+%d".formatted(2 * CHUNK, 2 * CHUNK, 6 * CHUNK, CHUNK));
        assertExtents(diff(point1, point3).json(), "%d+100".formatted(10 * CHUNK));
    }

    @Test
    void diffShowsItToPeople() {
        assertThat(site.run("diff --repo REPO --point %s --point %s".formatted(point1, point2.substring(0, 8)))
                        .succeeds()
                        .output())
                .isEqualTo("""
                        root.raw, 640.1 KiB
                          OFFSET  LENGTH
                          131072  131072
                          393216   65536
                          2 ranges, 192.0 KiB
                        total: 1 disk, 2 ranges, 192.0 KiB
                        """);
    }

    @Test
    void diffGoesBothWaysAndOverPointsBetween() {
        assertThat(diff(point2, point1).json().get("disks"))
                .isEqualTo(diff(point1, point2).json().get("disks"));
        assertExtents(
                diff(point3, point2).json(),
                "%d+%d %d+%d %d+100".formatted(2 * CHUNK, 2 * CHUNK, 6 * CHUNK, CHUNK, 10 * CHUNK));
    }

    @Test
    void aPointDoesNotDifferFromItself() {
        assertExtents(diff(point2, point2).json(), "");
        assertThat(site.run("diff --repo REPO --point %s --point %s".formatted(point2, point2))
                        .succeeds()
                        .output())
                .endsWith("total: 1 disk, no difference\n");
    }

    @Test
    void diffShowsDisksThatWereAddedRemovedAndGrown() throws IOException {
        site.image("web", "data.raw", first);
        site.image("web", "root.raw", Arrays.copyOf(third, 20 * CHUNK));
        String point4 = site.point("web");

        JsonNode forth = diff(point3, point4).json();
        JsonNode back = diff(point4, point3).json();

        assertThat(forth.at("/disks/0/fromCapacity").isNull()).isTrue();
        assertThat(forth.at("/disks/0/toCapacity").longValue()).isEqualTo(SIZE);
        assertExtents(forth, "0+" + SIZE);
        assertThat(forth.at("/disks/1/toCapacity").longValue()).isEqualTo(20 * CHUNK);
        assertThat(forth.at("/disks/1/extents")).isEmpty();
        assertThat(back.at("/disks/0/toCapacity").isNull()).isTrue();
        assertExtents(back, "0+" + SIZE);
    }

    @Test
    void diffNeedsTwoPointsOfOneVm() throws IOException {
        site.image("db", "a.raw", first);
        String other = site.point("db");

        site.run("diff --repo REPO --point %s --point %s".formatted(point1, other))
                .failsWith(ExitStatus.WRONG_USAGE, "VM");
        for (String line : List.of("--point %s --point 00000000", "--point 00000000 --point %s")) {
            site.run("diff --repo REPO " + line.formatted(point1)).failsWith(ExitStatus.FAILED, "00000000");
        }
    }

    @Test
    void diffOfADamagedPointIsNoHalfAnswer() throws IOException {
        Path pack = objectOf("packs/", point2);
        byte[] bytes = Files.readAllBytes(pack);
        // Pages of the map come behind the data.
        Arrays.fill(bytes, bytes.length * 2 / 3, bytes.length, (byte) 0);
        Files.delete(pack);
        Files.write(pack, bytes);

        Run run = site.run("diff --json --repo REPO --point %s --point %s".formatted(point1, point2))
                .exitsWith(ExitStatus.DAMAGE);

        assertThat(run.json().at("/error/code").textValue()).isEqualTo("CORRUPT_DATA");
        assertThat(site.run("diff --repo REPO --point %s --point %s".formatted(point1, point2))
                        .exitsWith(ExitStatus.DAMAGE)
                        .output())
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void deletingAPointHarmsNoOther(int number) throws IOException {
        List<String> points = List.of(point1, point2, point3);
        List<byte[]> contents = List.of(first, second, third);
        String deleted = points.get(number - 1);

        JsonNode report = site.run("delete --json --repo REPO --point " + deleted.substring(0, 8))
                .succeeds()
                .json();

        assertThat(report).hasSize(1);
        assertThat(report.get("deleted").textValue()).isEqualTo(deleted);
        assertListed(points.stream().filter(point -> !point.equals(deleted)).toList());
        for (int i = 0; i < points.size(); i++) {
            if (i != number - 1) {
                restore(points.get(i), contents.get(i));
            }
        }
        JsonNode verified = site.run("verify --json --repo REPO").succeeds().json();
        assertThat(verified.get("ok").booleanValue()).isTrue();
        assertThat(verified.get("points")).hasSize(2);
        site.run("delete --repo REPO --point " + deleted).failsWith(ExitStatus.FAILED, deleted);
    }

    @Test
    void whatOnlyADeletedPointNeededIsToldByVerify() {
        assertThat(unneeded()).isZero();

        Run run = site.run("delete --repo REPO --point " + point2).succeeds();

        assertThat(run.output())
                .isEqualTo("deleted point " + point2 + "; what only it needed takes up space until it is collected\n");
        assertThat(unneeded()).isPositive();
        assertThat(site.run("verify --repo REPO").succeeds().output())
                .containsPattern("\nunneeded: [0-9.]+ [KM]iB that no point needs\n");
        assertThat(site.run("verify --json --repo REPO --point " + point1)
                        .succeeds()
                        .json()
                        .get("unneededBytes")
                        .isNull())
                .isTrue();
    }

    @Test
    void theWorkGoesOnWhateverIsDeleted() throws IOException {
        site.run("delete --repo REPO --point " + point3).succeeds();
        JsonNode next = backUp(third);
        assertThat(next.get("parent").textValue()).isEqualTo(point2);
        assertThat(diff(point2, next.get("point").textValue()).json().at("/disks/0/extents"))
                .hasSize(3);

        for (String point : List.of(point1, point2, next.get("point").textValue())) {
            site.run("delete --repo REPO --point " + point).succeeds();
        }
        assertListed(List.of());
        JsonNode anew = backUp(third);
        assertThat(anew.get("parent").isNull()).isTrue();
        assertThat(anew.at("/disks/0/reason").textValue()).isEqualTo("NO_PARENT");
        restore(anew.get("point").textValue(), third);
    }

    @Test
    void aPointThatCanNotBeReadCanBeDeleted() throws IOException {
        Path manifest = objectOf("points/", point2);
        byte[] bytes = Files.readAllBytes(manifest);
        bytes[10] ^= 4;
        Files.delete(manifest);
        Files.write(manifest, bytes);

        assertUnreadableIsDeleted(point2);
    }

    @Test
    void aPointWhoseManifestIsMissingCanBeDeleted() throws IOException {
        Files.delete(objectOf("points/", point2));

        assertUnreadableIsDeleted(point2);
    }

    @Test
    void nothingIsDeletedWhereItIsNotClearWhat() throws IOException {
        String digits = point2.substring(0, 8);
        String twin = digits + "0".repeat(24);
        Path manifest = objectOf("points/", point2);
        Files.copy(manifest, manifest.resolveSibling(twin));
        SortedMap<String, String> before = site.everything();

        Run run = site.run("delete --json --repo REPO --point " + digits).failsWith(ExitStatus.FAILED, point2, twin);

        assertThat(run.json().at("/error/code").textValue()).isEqualTo("AMBIGUOUS");
        assertThat(site.everything()).isEqualTo(before);
        assertUnreadableIsDeleted(twin);
        assertListed(List.of(point1, point2, point3));
    }

    @Test
    void deletingWhatIsNotThereChangesNothing() throws IOException {
        SortedMap<String, String> before = site.everything();

        site.run("delete --repo REPO --point 00000000").failsWith(ExitStatus.FAILED, "00000000");

        assertThat(site.everything()).isEqualTo(before);
    }

    private void assertUnreadableIsDeleted(String point) {
        site.run("list --repo REPO").exitsWith(ExitStatus.DAMAGE);

        JsonNode report = site.run("delete --json --repo REPO --point " + point.substring(0, 12))
                .succeeds()
                .json();

        assertThat(report.get("deleted").textValue()).isEqualTo(point);
        assertThat(site.run("list --json --repo REPO").succeeds().json().get("unreadable"))
                .isEmpty();
        site.run("verify --repo REPO").succeeds();
        site.run("restore --repo REPO --vm web --to TARGET").succeeds();
    }

    private void assertListed(List<String> points) {
        assertThat(site.run("list --json --repo REPO").succeeds().json().get("points"))
                .extracting(point -> point.get("id").textValue())
                .isEqualTo(points);
    }

    /** Compares the first disk's ranges with some like {@code 0+10 50+20}. */
    private static void assertExtents(JsonNode diff, String expected) {
        StringBuilder extents = new StringBuilder();
        diff.at("/disks/0/extents")
                .forEach(extent -> extents.append(' ')
                        .append(extent.get("offset"))
                        .append('+')
                        .append(extent.get("length")));
        assertThat(extents.toString().strip()).isEqualTo(expected);
    }

    private Run diff(String from, String to) {
        return site.run("diff --json --repo REPO --point %s --point %s".formatted(from, to))
                .succeeds();
    }

    private long unneeded() {
        return site.run("verify --json --repo REPO")
                .succeeds()
                .json()
                .get("unneededBytes")
                .longValue();
    }

    private void restore(String point, byte[] content) {
        Path target = directory.resolve("restored-" + point);
        site.run("restore --repo REPO --vm web --point %s --to %s".formatted(point, target))
                .succeeds();
        assertThat(target.resolve("root.raw")).hasBinaryContent(content);
    }

    private String point(byte[] content) throws IOException {
        return backUp(content).get("point").textValue();
    }

    private JsonNode backUp(byte[] content) throws IOException {
        site.image("web", "root.raw", content);
        return site.backUp("web").succeeds().json();
    }

    private Path objectOf(String prefix, String point) throws IOException {
        return site.objects(prefix).stream()
                .filter(object -> object.toString().contains(point))
                .findFirst()
                .orElseThrow();
    }
}
