package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedMap;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Commands that can not be done as things are. Each says why in one line, has its exit status, answers in JSON, and
 * leaves everything as it was.
 */
class WrongUseTest {
    @TempDir
    private Path directory;

    private Site site;

    @BeforeEach
    void makeSite() throws IOException {
        site = new Site(directory).withRepository();
        site.image("web", "root.raw", Site.noise(1, 100_000));
        site.point("web");
    }

    @Test
    void unknownVm() throws IOException {
        assertRefused("backup --host HOST --repo REPO --vm nope", ExitStatus.FAILED, "NOT_FOUND", "nope");
        assertRefused("restore --repo REPO --vm nope --to TARGET", ExitStatus.FAILED, "NOT_FOUND", "nope");
    }

    @Test
    void unknownDisk() throws IOException {
        assertRefused(
                "backup --host HOST --repo REPO --vm web --exclude-disk nope", ExitStatus.FAILED, "NOT_FOUND", "nope");
        assertRefused("restore --repo REPO --vm web --disk nope --to TARGET", ExitStatus.FAILED, "NOT_FOUND", "nope");
    }

    @Test
    void unknownPoint() throws IOException {
        String point = "0123456789";
        assertRefused(
                "restore --repo REPO --vm web --to TARGET --point " + point, ExitStatus.FAILED, "NOT_FOUND", point);
        for (String command : new String[] {"verify", "delete", "diff --point fedcba98"}) {
            assertRefused(
                    command + " --repo REPO --point " + point, ExitStatus.FAILED, "NOT_FOUND", "no restore point");
        }
    }

    @Test
    void pointOfAnotherVm() throws IOException {
        site.image("db", "a.raw", new byte[1]);
        String point = site.point("db");

        assertRefused(
                "restore --repo REPO --vm web --to TARGET --point " + point, ExitStatus.FAILED, "NOT_FOUND", point);
    }

    @Test
    void missingFolder() throws IOException {
        assertRefused("vms --host images:ROOT/nope", ExitStatus.FAILED, "NOT_FOUND", "nope");
        assertRefused("backup --host images:ROOT/nope --vm web --repo REPO", ExitStatus.FAILED, "NOT_FOUND", "nope");
    }

    @Test
    void unknownDriverOrStore() throws IOException {
        assertRefused("vms --host clouds:here", ExitStatus.FAILED, "UNSUPPORTED", "images");
        assertRefused("vms --host vsphere:here", ExitStatus.FAILED, "UNSUPPORTED", "vmware");
        assertRefused("list --repo clouds:here", ExitStatus.FAILED, "UNSUPPORTED", "clouds");
    }

    @Test
    void notARepository() throws IOException {
        for (String command : new String[] {
            "list",
            "verify",
            "backup --host HOST --vm web",
            "delete --point 01234567",
            "diff --point 01234567 --point 89abcdef"
        }) {
            assertRefused(command + " --repo ROOT/vms", ExitStatus.FAILED, "NOT_A_REPOSITORY", "vms");
            assertRefused(command + " --repo ROOT/nope", ExitStatus.FAILED, "NOT_FOUND", "nope");
        }
        assertRefused("list --repo ROOT/vms/web/root.raw", ExitStatus.WRONG_USAGE, "INVALID_ARGUMENT", "root.raw");
    }

    @Test
    void newerFormat() throws IOException {
        for (Path file : site.objects("repository")) {
            write(file, Files.readString(file).replaceFirst("\"format\" *: *1", "\"format\":2"));
        }

        for (String command : new String[] {
            "list",
            "verify",
            "backup --host HOST --vm web",
            "delete --point 01234567",
            "diff --point 01234567 --point 89abcdef"
        }) {
            assertRefused(command + " --repo REPO", ExitStatus.FAILED, "FORMAT_TOO_NEW", "version 2");
        }
    }

    @Test
    void brokenJson() throws IOException {
        for (Path file : site.objects("repository")) {
            write(file, "{\"format\":1,\n");
        }

        assertRefused("list --repo REPO", ExitStatus.DAMAGE, "CORRUPT_DATA", "repository.json");
    }

    @Test
    void placeThatIsTaken() throws IOException {
        assertRefused("init --repo REPO", ExitStatus.FAILED, "ALREADY_EXISTS", "repository");
        assertRefused("init --repo ROOT/vms", ExitStatus.FAILED, "ALREADY_EXISTS", "vms");
    }

    @Test
    void targetThatIsTaken() throws IOException {
        Files.createDirectory(site.target());
        Files.writeString(site.target().resolve("root.raw"), "mine");

        assertRefused("restore --repo REPO --vm web --to TARGET", ExitStatus.FAILED, "ALREADY_EXISTS", "root.raw");
        assertRefused(
                "restore --repo REPO --vm web --host HOST --name web", ExitStatus.FAILED, "ALREADY_EXISTS", "web");
    }

    @Test
    void whatADriverCanNot() throws IOException {
        assertRefused(
                "restore --repo REPO --vm web --host HOST --over web", ExitStatus.FAILED, "UNSUPPORTED", "images");
        assertRefused(
                "restore --repo REPO --vm web --host HOST --name web2 --set no-such-option=1",
                ExitStatus.WRONG_USAGE,
                "INVALID_ARGUMENT",
                "no-such-option");
    }

    @Test
    void targetThatIsNoFolder() throws IOException {
        assertRefused(
                "restore --repo REPO --vm web --to ROOT/vms/web/root.raw",
                ExitStatus.WRONG_USAGE,
                "INVALID_ARGUMENT",
                "root.raw");
    }

    @Test
    void demoInAFolderThatIsNotEmpty() throws IOException {
        assertRefused("demo --keep ROOT/vms", ExitStatus.FAILED, "ALREADY_EXISTS", "vms");
    }

    private void assertRefused(String line, int status, String code, String named) throws IOException {
        unchanged(line).failsWith(status, named);

        JsonNode error =
                unchanged(line + " --json").failsWith(status, named).json().get("error");
        assertThat(error.get("code").textValue()).isEqualTo(code);
        assertThat(error.get("message").textValue()).contains(named);
    }

    private Run unchanged(String line) throws IOException {
        SortedMap<String, String> before = site.everything();
        Run run = site.run(line);
        assertThat(site.everything()).as("what is there after %s", line).isEqualTo(before);
        return run;
    }

    /** Gives a document a right last line, so that only its content is wrong. */
    private static void write(Path file, String document) throws IOException {
        String body = document.replaceFirst("(?m)^genievm .*\\n", "");
        CRC32C checksum = new CRC32C();
        checksum.update(body.getBytes(StandardCharsets.UTF_8));
        Files.delete(file);
        Files.writeString(file, body + "genievm repository %d %08x\n".formatted(body.length(), checksum.getValue()));
    }
}
