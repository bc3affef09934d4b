package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A disk that has no more room. Needs the right to mount a small one. */
class FullDiskIT {
    private static final String BIG = "big";
    private static final String SMALL = "small";

    @TempDir
    private Path directory;

    private Site site;
    private Path smallDisk;

    @BeforeEach
    void mount() throws IOException, InterruptedException {
        site = new Site(directory);
        site.image(BIG, "root.raw", Site.noise(1, 40 << 20));
        site.image(SMALL, "root.raw", Site.noise(2, 1 << 20));
        smallDisk = Files.createDirectory(directory.resolve("disk"));
        assumeTrue(
                run("mount", "-t", "tmpfs", "-o", "size=16m", "genievm-test", smallDisk.toString()) == 0,
                "may mount a file system");
    }

    @AfterEach
    void unmount() throws IOException, InterruptedException {
        run("umount", smallDisk.toString());
    }

    @Test
    void aBackupThatFindsNoRoomTakesItsPacksAwayAndLeavesTheOtherPoints() throws IOException {
        site.run("init --repo ROOT/disk/repository").succeeds();
        site.run("backup --host HOST --vm small --repo ROOT/disk/repository").succeeds();

        assertNoSpace(site.run("backup --host HOST --vm big --repo ROOT/disk/repository --json"));

        assertThat(site.run("list --repo ROOT/disk/repository --json")
                        .succeeds()
                        .json()
                        .get("points"))
                .hasSize(1);
        site.run("verify --repo ROOT/disk/repository").succeeds();
        site.run("backup --host HOST --vm small --repo ROOT/disk/repository").succeeds();
    }

    @Test
    void aRestoreThatFindsNoRoomLeavesNoFile() throws IOException {
        site.withRepository().point(BIG);

        assertNoSpace(site.run("restore --repo REPO --vm big --to ROOT/disk/target --json"));

        try (Stream<Path> left = Files.walk(smallDisk)) {
            assertThat(left.filter(Files::isRegularFile)).isEmpty();
        }
    }

    private static void assertNoSpace(Run run) {
        run.exitsWith(ExitStatus.FAILED);
        assertThat(run.json().at("/error/code").textValue()).isEqualTo("NO_SPACE");
        assertThat(run.json().at("/error/category").textValue()).isEqualTo("RESOURCE");
        assertThat(run.errorLines())
                .filteredOn(line -> line.startsWith("genievm: "))
                .hasSize(1);
    }

    private static int run(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }
}
