package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is told of a repository that is not as it was written. */
class DamageTest {
    /** Segments begin behind the header, and chunks are stored first: this is in the middle of disk data. */
    private static final int IN_DATA = 20_000;

    @TempDir
    private Path directory;

    private Site site;
    private String point;

    @BeforeEach
    void makeSite() throws IOException {
        site = new Site(directory).withRepository();
        site.image("web", "root.raw", Site.noise(1, 100_000));
        point = site.point("web");
    }

    @Test
    void verifyNamesObjectPointDiskAndRange() throws IOException {
        Path pack = damage("packs/", IN_DATA);

        Run run = site.run("verify --repo REPO --json").exitsWith(ExitStatus.DAMAGE);

        assertThat(run.error()).isEmpty();
        assertThat(run.json().get("ok").booleanValue()).isFalse();
        JsonNode found = run.json().at("/damage/0");
        assertThat(found.get("object").textValue())
                .isEqualTo(site.repository().relativize(pack).toString());
        assertThat(found.get("message").textValue()).isNotBlank();
        assertThat(found.get("points")).extracting(JsonNode::textValue).containsExactly(point);
        assertThat(found.get("disk").textValue()).isEqualTo("root.raw");
        assertThat(found.get("offset").longValue()).isZero();
        assertThat(found.get("length").longValue()).isPositive().isLessThanOrEqualTo(100_000);
        assertThat(site.run("verify --repo REPO").exitsWith(ExitStatus.DAMAGE).output())
                .contains("packs/", point, "root.raw", "DAMAGED");
    }

    @Test
    void restoreSaysWhatItCouldNotRestore() throws IOException {
        damage("packs/", IN_DATA);

        Run run = site.run("restore --repo REPO --vm web --to TARGET --json").exitsWith(ExitStatus.DAMAGE);

        assertThat(run.json().at("/error/code").textValue()).isEqualTo("CORRUPT_DATA");
        assertThat(run.json().at("/error/category").textValue()).isEqualTo("INTEGRITY");
        assertThat(run.json().at("/error/damage/0/disk").textValue()).isEqualTo("root.raw");
        assertThat(run.errorLines()).hasSizeGreaterThan(1).allMatch(line -> line.startsWith("genievm: "));
        assertThat(site.target().resolve("root.raw")).doesNotExist();
    }

    @Test
    void restoreKeepsWhatIsWholeAndNamesWhatIsNot() throws IOException {
        byte[] whole = Site.noise(2, 70_000);
        site.image("web", "data.raw", whole);
        site.point("web");
        Files.delete(site.objects("packs/").stream()
                .filter(pack -> pack.toString().contains(point))
                .findFirst()
                .orElseThrow());

        site.run("restore --repo REPO --vm web --to TARGET").exitsWith(ExitStatus.DAMAGE);

        assertThat(site.target().resolve("data.raw")).hasBinaryContent(whole);
        assertThat(site.target().resolve("root.raw")).doesNotExist();
        assertThat(site.target().resolve("root.raw.incomplete")).hasSize(100_000);
    }

    @Test
    void listPrintsWhatItCanAndNamesTheRest() throws IOException {
        damage("points/", 10);
        site.image("db", "a.raw", new byte[1]);
        String other = site.point("db");

        Run run = site.run("list --repo REPO --json").exitsWith(ExitStatus.DAMAGE);

        assertThat(run.json().get("points")).hasSize(1);
        assertThat(run.json().at("/points/0/id").textValue()).isEqualTo(other);
        assertThat(run.json().at("/unreadable/0/object").textValue())
                .startsWith("points/")
                .endsWith(point);
        assertThat(run.errorLines()).hasSize(1).first().asString().contains(point);
    }

    @Test
    void theLatestPointIsNotGuessed() throws IOException {
        damage("points/", 10);

        site.run("restore --repo REPO --vm web --to TARGET").failsWith(ExitStatus.DAMAGE, point);
        site.run("restore --repo REPO --vm web --to TARGET --point " + point).failsWith(ExitStatus.DAMAGE, point);
    }

    /** Flips a bit of the only object whose key begins so. */
    private Path damage(String prefix, int position) throws IOException {
        assertThat(site.objects(prefix)).hasSize(1);
        Path object = site.objects(prefix).get(0);
        byte[] bytes = Files.readAllBytes(object);
        bytes[position] ^= 4;
        Files.delete(object);
        Files.write(object, bytes);
        return object;
    }
}
