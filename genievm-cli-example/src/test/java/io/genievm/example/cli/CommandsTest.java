package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every command, used as it is meant to be. */
class CommandsTest {
    private static final byte[] ROOT = Site.noise(1, 300_000);
    private static final byte[] DATA = Site.noise(2, 70_000);

    @TempDir
    private Path directory;

    private Site site;

    @BeforeEach
    void makeSite() throws IOException {
        site = new Site(directory).withRepository();
        site.image("web", "root.raw", ROOT);
        site.image("web", "data.raw", DATA);
    }

    @Test
    void initTellsTheRepositorysId() {
        Run run = site.run("init --repo ROOT/other --json").succeeds();

        assertThat(run.json().get("repository").textValue()).matches("[0-9a-f]{32}");
        assertThat(run.error()).isEmpty();
    }

    @Test
    void vmsListsVmsAndDisks() {
        Run run = site.run("vms --host HOST --json").succeeds();

        assertThat(run.json().get("vms")).hasSize(1);
        assertThat(run.json().at("/vms/0/id").textValue()).isEqualTo("web");
        assertThat(run.json().at("/vms/0/disks/0/id").textValue()).isEqualTo("data.raw");
        assertThat(run.json().at("/vms/0/disks/1/capacity").longValue()).isEqualTo(ROOT.length);
        assertThat(run.json().get("warnings")).isEmpty();
        assertThat(site.run("vms --host HOST").succeeds().output()).isEqualTo("""
                        VM   NAME  DISK       CAPACITY
                        web  web   data.raw   68.4 KiB
                        web  web   root.raw  293.0 KiB
                        """);
    }

    @Test
    void backupTellsWhatItDid() {
        JsonNode first = site.backUp("web").succeeds().json();
        JsonNode second = site.backUp("web --full").succeeds().json();

        assertThat(first.get("vm").textValue()).isEqualTo("web");
        assertThat(first.get("sequence").intValue()).isEqualTo(1);
        assertThat(first.get("parent").isNull()).isTrue();
        assertThat(first.at("/disks/1/id").textValue()).isEqualTo("root.raw");
        assertThat(first.at("/disks/1/plan").textValue()).isEqualTo("ALL");
        assertThat(first.at("/disks/1/readBytes").longValue()).isEqualTo(ROOT.length);
        assertThat(first.at("/disks/1/storedBytes").longValue()).isPositive();
        assertThat(first.get("storedBytes").longValue()).isGreaterThan(ROOT.length + DATA.length);
        assertThat(first.at("/disks/1/trust").textValue()).isEqualTo("proven");
        assertThat(second.get("sequence").intValue()).isEqualTo(2);
        assertThat(second.get("parent")).isEqualTo(first.get("point"));
        assertThat(second.at("/disks/1/readBytes").longValue()).isEqualTo(ROOT.length);
        assertThat(second.at("/disks/1/changedBytes").longValue()).isZero();
        assertThat(second.at("/disks/1/storedBytes").longValue()).isZero();
    }

    @Test
    void backupTellsPeopleToo() {
        Run run = site.run("backup --host HOST --vm web --repo REPO").succeeds();

        assertThat(run.output())
                .startsWith("DISK")
                .contains("data.raw", "root.raw", "proven", "number 1 of web")
                .endsWith(" s\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "lz4", "zstd", "zstd:19", "zstd:-7"})
    void everyCodecGivesBackWhatItGot(String codec) {
        site.backUp("web --codec " + codec).succeeds();

        site.run("restore --repo REPO --vm web --to TARGET").succeeds();

        assertRestored("root.raw", ROOT);
        assertRestored("data.raw", DATA);
    }

    @Test
    void excludedDisksAreLeftOut() {
        JsonNode report = site.backUp("web --exclude-disk data.raw").succeeds().json();

        assertThat(report.get("disks")).hasSize(1);
        assertThat(report.at("/disks/0/id").textValue()).isEqualTo("root.raw");
    }

    @Test
    void warningsFailABackupOnlyIfThatIsAskedFor() throws IOException {
        Files.createDirectory(site.vms().resolve("web/snapshots"));

        Run lenient = site.backUp("web").exitsWith(ExitStatus.DONE);
        Run strict = site.backUp("web --strict").exitsWith(ExitStatus.WARNINGS);

        for (Run run : List.of(lenient, strict)) {
            assertThat(run.json().at("/warnings/0/code").textValue()).isEqualTo("FILE_IGNORED");
            assertThat(run.error()).startsWith("genievm: warning: ").contains("snapshots");
        }
        assertThat(site.run("list --repo REPO --json").succeeds().json().get("points"))
                .hasSize(2);
    }

    @Test
    void listShowsTheOldestFirst() {
        String first = site.point("web");
        String second = site.point("web");

        JsonNode list = site.run("list --repo REPO --json").succeeds().json();

        assertThat(list.at("/points/0/id").textValue()).isEqualTo(first);
        assertThat(list.at("/points/1/id").textValue()).isEqualTo(second);
        assertThat(list.at("/points/1/parent").textValue()).isEqualTo(first);
        assertThat(list.at("/points/1/created").textValue()).endsWith("Z");
        assertThat(list.at("/points/1/disks/1/trust").textValue()).isEqualTo("proven");
        assertThat(list.get("unreadable")).isEmpty();
        assertThat(site.run("list --repo REPO").succeeds().output())
                .contains("POINT", first, second, "361.3 KiB", "proven");
    }

    @Test
    void listCanShowOneVm() throws IOException {
        site.image("db", "a.raw", DATA);
        site.point("web");
        String db = site.point("db");

        JsonNode points =
                site.run("list --repo REPO --vm db --json").succeeds().json().get("points");

        assertThat(points).hasSize(1);
        assertThat(points.at("/0/id").textValue()).isEqualTo(db);
    }

    @Test
    void restoreTakesTheLatestPointOrOneByItsFirstDigits() throws IOException {
        String first = site.point("web");
        byte[] changed = Site.noise(3, 300_000);
        site.image("web", "root.raw", changed);
        site.point("web");

        site.run("restore --repo REPO --vm web --to TARGET --point " + first.substring(0, 8))
                .succeeds();
        assertRestored("root.raw", ROOT);

        site.run("restore --repo REPO --vm web --to ROOT/other --point latest").succeeds();
        assertThat(directory.resolve("other/root.raw")).hasBinaryContent(changed);
    }

    @Test
    void restoreTellsWhatItWrote() {
        String point = site.point("web");

        JsonNode report = site.run("restore --repo REPO --vm web --to TARGET --json")
                .succeeds()
                .json();

        assertThat(report.get("point").textValue()).isEqualTo(point);
        assertThat(report.get("files"))
                .extracting(JsonNode::textValue)
                .containsExactly(
                        site.target().resolve("data.raw").toString(),
                        site.target().resolve("root.raw").toString());
    }

    @Test
    void restoreCanTakeSingleDisks() {
        site.point("web");

        site.run("restore --repo REPO --vm web --to TARGET --disk data.raw").succeeds();

        assertRestored("data.raw", DATA);
        assertThat(site.target().resolve("root.raw")).doesNotExist();
    }

    @Test
    void restoreCanMakeANewVm() {
        site.point("web");

        JsonNode report = site.run("restore --repo REPO --vm web --host HOST --name web2 --json")
                .succeeds()
                .json();

        assertThat(report.get("vm").textValue()).isEqualTo("web2");
        assertThat(report.get("files")).isEmpty();
        assertThat(site.vms().resolve("web2/root.raw")).hasBinaryContent(ROOT);
    }

    @Test
    void verifyFindsNothingWrong() {
        String point = site.point("web");

        JsonNode all = site.run("verify --repo REPO --json").succeeds().json();
        JsonNode structure =
                site.run("verify --repo REPO --json --structure").succeeds().json();
        JsonNode one = site.run("verify --repo REPO --json --point " + point.substring(0, 12))
                .succeeds()
                .json();

        for (JsonNode report : List.of(all, structure, one)) {
            assertThat(report.get("ok").booleanValue()).isTrue();
            assertThat(report.get("damage")).isEmpty();
        }
        assertThat(all.get("checkedBytes").longValue()).isGreaterThan(ROOT.length + DATA.length);
        assertThat(structure.get("checkedBytes").longValue()).isLessThan(ROOT.length);
        assertThat(site.run("verify --repo REPO").succeeds().output()).startsWith("no damage: ");
    }

    private void assertRestored(String disk, byte[] content) {
        assertThat(site.target().resolve(disk)).hasBinaryContent(content);
    }
}
