package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Backups of what lists of changes tell, and what becomes of lists that are wrong. */
class IncrementalTest {
    private static final int CHUNK = 64 << 10;
    private static final int RUN = 1 << 20;
    private static final int SIZE = 16 * RUN + 12_345;
    private static final long SLACK = 2 << 20;

    @TempDir
    private Path directory;

    private Site site;
    private byte[] content;
    private int moment;

    @BeforeEach
    void makeSite() throws IOException {
        site = new Site(directory).withRepository();
        content = Site.noise(1, SIZE);
        site.image("web", "root.raw", content);
    }

    @Test
    void theFirstBackupReadsAllAndTheNextWhatHasChanged() throws IOException {
        mark();
        JsonNode first = backUp("").at("/disks/0");
        assertThat(first.get("plan").textValue()).isEqualTo("ALL");
        assertThat(first.get("reason").textValue()).isEqualTo("NO_PARENT");
        assertThat(first.get("readBytes").longValue()).isEqualTo(SIZE);
        assertThat(first.get("trust").textValue()).isEqualTo("proven");
        assertThat(first.at("/audit/share").doubleValue()).isZero();

        Extent inOneChunk = write(5 * RUN + 17, 100);
        Extent overTheEdgeOfTwo = write(9 * RUN - 50, 100);
        Extent atTheEnd = write(SIZE - 3, 3);
        tell(inOneChunk, overTheEdgeOfTwo, atTheEnd);
        JsonNode second = backUp("").at("/disks/0");

        assertThat(second.get("plan").textValue()).isEqualTo("CHANGED");
        assertThat(second.get("reason").isNull()).isTrue();
        assertThat(second.get("readBytes").longValue())
                .isEqualTo(second.get("changedBytes").longValue())
                .isEqualTo(3 * CHUNK + 12_345);
        assertThat(second.get("storedBytes").longValue()).isBetween(3L * CHUNK, 3 * CHUNK + SLACK);
        assertThat(second.get("trust").textValue()).isEqualTo("sampled");
        assertThat(second.at("/audit/share").doubleValue()).isEqualTo(1.0 / 64);
        assertThat(second.at("/audit/mismatches")).isEmpty();
        assertLatestIsRight();
    }

    @Test
    void aBackupOfNoChangeReadsNothingButItsSample() throws IOException {
        mark();
        backUp("");
        tell();

        Run run = site.backUp("web --audit-share 1/4").succeeds();

        JsonNode disk = run.json().at("/disks/0");
        assertThat(disk.get("readBytes").longValue()).isZero();
        assertThat(disk.at("/audit/comparedBytes").longValue())
                .isEqualTo(disk.at("/audit/readBytes").longValue())
                .isBetween((long) SIZE / 4 - RUN, (long) SIZE / 4 + RUN);
        assertThat(disk.at("/audit/share").doubleValue()).isEqualTo(0.25);
        assertThat(run.error()).doesNotContain("mismatch", "warning");
        assertThat(list().at("/points/1/disks/0/coveredShare").doubleValue()).isEqualTo(0.25);
        assertThat(site.run("list --repo REPO").succeeds().output()).contains("sampled 25 %");
    }

    @Test
    void whatIsListedSaysHowItWasMade() throws IOException {
        mark();
        String first = backUp("").get("point").textValue();
        tell(write(0, 1));
        backUp("--audit none");

        JsonNode points = list().get("points");

        assertThat(points.at("/0/disks/0/plan").textValue()).isEqualTo("ALL");
        assertThat(points.at("/0/disks/0/reason").textValue()).isEqualTo("NO_PARENT");
        assertThat(points.at("/0/disks/0/coveredShare").doubleValue()).isEqualTo(1);
        assertThat(points.at("/0/disks/0/provenPoint").textValue()).isEqualTo(first);
        assertThat(points.at("/1/disks/0/plan").textValue()).isEqualTo("CHANGED");
        assertThat(points.at("/1/disks/0/reason").isNull()).isTrue();
        assertThat(points.at("/1/disks/0/coveredShare").doubleValue()).isZero();
        assertThat(points.at("/1/disks/0/provenPoint").textValue()).isEqualTo(first);
    }

    @Test
    void changesSinceAnotherMomentAreNotBelieved() throws IOException {
        mark();
        backUp("");
        tell(write(0, 1));
        tell(write(7 * RUN, 1));

        assertScanned(backUp(""), "TOKEN_UNKNOWN");
        tell(write(8 * RUN, 1));
        assertPlan(backUp(""), "CHANGED");
        assertLatestIsRight();
    }

    @Test
    void withoutListsEverythingIsCompared() throws IOException {
        backUp("");
        write(3 * RUN, 1);
        assertScanned(backUp(""), "NO_TOKEN");

        mark();
        assertScanned(backUp(""), "NO_TOKEN");

        Files.delete(changes());
        write(4 * RUN, 1);
        assertScanned(backUp(""), "NO_TRACKING");
        assertLatestIsRight();
    }

    @ParameterizedTest
    @CsvSource({"'not a list'", "'{\"token\":\"x\",\"since\":\"moment-1\"}\n{\"offset\":99999999999,\"length\":1}\n'"})
    void aListThatMakesNoSenseIsToldAndNotUsed(String list) throws IOException {
        mark();
        backUp("");
        write(3 * RUN, 1);
        Files.writeString(changes(), list);

        Run run = site.backUp("web --strict").exitsWith(ExitStatus.WARNINGS);

        assertScanned(run.json(), "TRACKING_LOST");
        assertThat(run.json().at("/warnings/0/disk").textValue()).isEqualTo("root.raw");
        assertThat(run.error()).contains("genievm: warning: root.raw");
        assertLatestIsRight();
    }

    @Test
    void aDiskThatWasResizedOrAddedIsReadAndTheOthersAreNot() throws IOException {
        byte[] data = Site.noise(2, RUN);
        Path image = site.image("web", "data.raw", data);
        new ChangeList("a", null, List.of()).write(image);
        mark();
        backUp("");
        byte[] grown = Site.noise(2, RUN + 1);
        Files.write(image, grown);
        new ChangeList("b", "a", List.of(new Extent(RUN, 1))).write(image);
        site.image("web", "new.raw", data);
        tell();

        JsonNode report = backUp("");

        assertThat(report.at("/disks/0/plan").textValue()).isEqualTo("SCAN");
        assertThat(report.at("/disks/0/reason").textValue()).isEqualTo("RESIZED");
        assertThat(report.at("/disks/1/plan").textValue()).isEqualTo("ALL");
        assertThat(report.at("/disks/1/reason").textValue()).isEqualTo("DISK_ADDED");
        assertThat(report.at("/disks/2/plan").textValue()).isEqualTo("CHANGED");
        assertLatestIsRight();
        assertContent(site.target().resolve("data.raw"), grown);
    }

    @Test
    void aFullBackupIsOneWhateverIsTold() throws IOException {
        mark();
        backUp("");
        write(3 * RUN, 1);
        tell();

        JsonNode report = backUp("--full");

        assertThat(report.at("/disks/0/plan").textValue()).isEqualTo("ALL");
        assertThat(report.at("/disks/0/reason").textValue()).isEqualTo("FULL_REQUESTED");
        assertThat(report.at("/disks/0/readBytes").longValue()).isEqualTo(SIZE);
        assertThat(report.at("/disks/0/changedBytes").longValue()).isEqualTo(CHUNK);
        assertThat(report.at("/disks/0/trust").textValue()).isEqualTo("proven");
        tell();
        assertPlan(backUp(""), "CHANGED");
        assertLatestIsRight();
    }

    @Test
    void withoutAnAuditALieIsBelieved() throws IOException {
        mark();
        backUp("");
        byte[] before = content.clone();
        write(3 * RUN, 1);
        tell();

        JsonNode disk = backUp("--audit none").at("/disks/0");

        assertThat(disk.get("plan").textValue()).isEqualTo("CHANGED");
        assertThat(disk.get("readBytes").longValue()).isZero();
        assertThat(disk.at("/audit/share").doubleValue()).isZero();
        assertThat(disk.at("/audit/comparedBytes").longValue()).isZero();
        assertThat(restore("").json().at("/disks/0/trust").textValue()).isEqualTo("sampled");
        assertContent(site.target().resolve("root.raw"), before);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4_000_000, SIZE - 1})
    void aFullAuditFindsALieAtOnce(int position) throws IOException {
        mark();
        backUp("");
        Extent told = write(2 * RUN, 1);
        write(position, 1);
        tell(told);

        Run run = site.backUp("web --audit full").succeeds();

        JsonNode disk = run.json().at("/disks/0");
        assertScanned(run.json(), "AUDIT_MISMATCH");
        assertThat(disk.at("/audit/share").doubleValue()).isEqualTo(1);
        assertThat(disk.at("/audit/mismatches")).hasSize(1);
        long offset = (long) position / CHUNK * ((long) CHUNK);
        long end = Math.min(offset + CHUNK, SIZE);
        assertThat(disk.at("/audit/mismatches/0/offset").longValue()).isEqualTo(offset);
        assertThat(disk.at("/audit/mismatches/0/length").longValue()).isEqualTo(end - offset);
        assertThat(run.error())
                .contains("genievm: mismatch: root.raw: bytes " + offset + " to " + (end - 1)
                        + " were called unchanged and were not\n");
        assertLatestIsRight();
    }

    @Test
    void aFullAuditThatFindsNothingProves() throws IOException {
        mark();
        backUp("");
        tell(write(0, 1));

        Run run =
                site.run("backup --host HOST --vm web --repo REPO --audit full").succeeds();

        assertThat(run.output()).contains("COMPARED", "CHANGED  -", "15.9 MiB", "proven");
        assertThat(list().at("/points/1/disks/0/trust").textValue()).isEqualTo("proven");
    }

    @Test
    void aLieIsAWarningToWhoeverIsStrict() throws IOException {
        mark();
        backUp("");
        write(0, 1);
        tell();

        site.backUp("web --audit full --strict").exitsWith(ExitStatus.WARNINGS);
    }

    @Test
    void aLieIsFoundAfterAsManySamplesAsThereAreAtTheLatest() throws IOException {
        int samples = 4;
        mark();
        String proven = backUp("").get("point").textValue();
        write(11 * RUN + 5, 1);
        List<String> suspects = new ArrayList<>();
        JsonNode report;
        do {
            tell();
            report = backUp("--audit-share 0.25");
            if (report.at("/disks/0/audit/mismatches").isEmpty()) {
                suspects.add(report.get("point").textValue());
            }
            assertThat(suspects).as("points that carry the lie").hasSizeLessThan(samples);
        } while (report.at("/disks/0/audit/mismatches").isEmpty());

        assertScanned(report, "AUDIT_MISMATCH");
        String right = report.get("point").textValue();
        assertThat(report.at("/disks/0/audit/mismatches/0/offset").longValue()).isEqualTo(11 * RUN);
        assertLatestIsRight();
        for (JsonNode point : list().get("points")) {
            String id = point.get("id").textValue();
            assertThat(point.at("/disks/0/trust").textValue())
                    .as("trust of %s", id)
                    .isEqualTo(suspects.contains(id) ? "suspect" : "proven");
        }
        assertThat(list().get("points"))
                .extracting(point -> point.get("id").textValue())
                .startsWith(proven)
                .endsWith(right);
        tell(write(0, 1));
        assertPlan(backUp(""), "CHANGED");
        assertThat(list().get("points")).last().satisfies(point -> {
            assertThat(point.at("/disks/0/trust").textValue()).isEqualTo("sampled");
            assertThat(point.at("/disks/0/provenPoint").textValue()).isEqualTo(right);
        });
        assertLatestIsRight();
    }

    @Test
    void whatIsSuspectIsToldWhereverItIsLookedAt() throws IOException {
        mark();
        backUp("");
        byte[] before = content.clone();
        write(3 * RUN, 1);
        tell();
        String suspect = backUp("--audit none").get("point").textValue();
        tell();
        backUp("--audit full");

        assertThat(site.run("list --repo REPO").succeeds().output().lines().toList())
                .hasSize(4)
                .element(2)
                .asString()
                .startsWith(suspect)
                .endsWith(" suspect");
        Run verify = site.run("verify --repo REPO").succeeds();
        assertThat(verify.output())
                .startsWith("no damage: ")
                .contains("\ntrust of the disks of 3 points: 2 proven, 0 sampled, 1 suspect\n");
        assertThat(verify.errorLines())
                .filteredOn(line -> line.startsWith("genievm: warning: root.raw: "))
                .hasSize(1)
                .first()
                .asString()
                .contains(suspect, "suspect");
        JsonNode document = site.run("verify --repo REPO --json").succeeds().json();
        assertThat(document.get("ok").booleanValue()).isTrue();
        assertThat(document.get("points"))
                .extracting(point -> point.at("/disks/0/trust").textValue())
                .containsExactly("proven", "suspect", "proven");
        assertThat(document.at("/points/1/id").textValue()).isEqualTo(suspect);
        assertThat(document.at("/points/1/disks/0/capacity").longValue()).isEqualTo(SIZE);
        assertThat(site.run("verify --repo REPO --json --point " + suspect)
                        .succeeds()
                        .json()
                        .get("points"))
                .hasSize(1);
        Run restore = restore("--point " + suspect);
        assertThat(restore.json().at("/disks/0/trust").textValue()).isEqualTo("suspect");
        assertThat(restore.json().at("/warnings/0/disk").textValue()).isEqualTo("root.raw");
        assertThat(restore.error()).contains("genievm: warning: root.raw: ", "suspect");
        assertContent(site.target().resolve("root.raw"), before);
        assertLatestIsRight();
    }

    @Test
    void twoRepositoriesUseTheSameListsEachForItself() throws IOException {
        site.run("init --repo ROOT/other").succeeds();
        mark();
        backUp("");
        assertThat(backUpToOther().at("/disks/0/reason").textValue()).isEqualTo("NO_PARENT");
        tell(write(RUN, 1));
        assertPlan(backUp(""), "CHANGED");
        assertPlan(backUpToOther(), "CHANGED");

        tell(write(2 * RUN, 1));
        assertPlan(backUp(""), "CHANGED");
        tell(write(3 * RUN, 1));

        assertPlan(backUp(""), "CHANGED");
        assertScanned(backUpToOther(), "TOKEN_UNKNOWN");
        assertLatestIsRight();
        site.run("restore --repo ROOT/other --vm web --to ROOT/second").succeeds();
        assertContent(directory.resolve("second/root.raw"), content);
    }

    @Test
    void aListThatIsUsedTwiceIsUsedOnce() throws IOException {
        mark();
        backUp("");
        tell(write(RUN, 1));
        assertPlan(backUp(""), "CHANGED");
        write(2 * RUN, 1);

        assertScanned(backUp(""), "TOKEN_UNKNOWN");
        assertLatestIsRight();
    }

    /** Sets the first mark. */
    private void mark() throws IOException {
        list(null, List.of());
    }

    /** Tells what was written since the last mark. */
    private void tell(Extent... written) throws IOException {
        list("moment-" + moment, List.of(written));
    }

    private void list(@Nullable String since, List<Extent> extents) throws IOException {
        moment++;
        new ChangeList("moment-" + moment, since, extents).write(site.vms().resolve("web/root.raw"));
    }

    private Path changes() {
        return site.vms().resolve("web/root.raw.changes");
    }

    /** Changes every byte of a range. */
    private Extent write(int offset, int length) throws IOException {
        for (int i = offset; i < offset + length; i++) {
            content[i]++;
        }
        site.image("web", "root.raw", content);
        return new Extent(offset, length);
    }

    private JsonNode backUp(String options) {
        return site.backUp("web " + options).succeeds().json();
    }

    private JsonNode backUpToOther() {
        return site.run("backup --json --host HOST --vm web --repo ROOT/other")
                .succeeds()
                .json();
    }

    private JsonNode list() {
        return site.run("list --repo REPO --json").succeeds().json();
    }

    private Run restore(String options) throws IOException {
        Files.deleteIfExists(site.target().resolve("root.raw"));
        return site.run("restore --json --repo REPO --vm web --disk root.raw --to TARGET " + options)
                .succeeds();
    }

    private void assertLatestIsRight() throws IOException {
        for (String disk : List.of("root.raw", "data.raw", "new.raw")) {
            Files.deleteIfExists(site.target().resolve(disk));
        }
        site.run("restore --repo REPO --vm web --to TARGET").succeeds();
        assertContent(site.target().resolve("root.raw"), content);
    }

    private static void assertContent(Path file, byte[] expected) throws IOException {
        assertThat(Arrays.mismatch(Files.readAllBytes(file), expected))
                .as("first byte of %s that is wrong", file)
                .isEqualTo(-1);
    }

    private static void assertPlan(JsonNode report, String plan) {
        assertThat(report.at("/disks/0/plan").textValue()).isEqualTo(plan);
    }

    private static void assertScanned(JsonNode report, String reason) {
        assertPlan(report, "SCAN");
        assertThat(report.at("/disks/0/reason").textValue()).isEqualTo(reason);
        assertThat(report.at("/disks/0/readBytes").longValue()).isEqualTo(SIZE);
        assertThat(report.at("/disks/0/trust").textValue()).isEqualTo("proven");
    }
}
