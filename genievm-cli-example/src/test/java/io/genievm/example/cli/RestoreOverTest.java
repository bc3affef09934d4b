package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.core.GenieVm;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisorProvider;
import io.genievm.testkit.InMemoryVm;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What needs a driver that can write into disks. */
class RestoreOverTest {
    private static final byte[] ROOT = Site.noise(1, 300_000);

    @TempDir
    private Path directory;

    private final InMemoryHypervisorProvider provider = new InMemoryHypervisorProvider();
    private InMemoryVm vm;
    private InMemoryDisk disk;

    @BeforeEach
    void backUp() {
        vm = provider.hypervisor("lab").addVm("web");
        disk = vm.addDisk("root", ROOT);
        vm.shutOff(true);
        run("init --repo REPO").succeeds();
        run("backup --host memory:lab --vm web --repo REPO --quiesce none --strict")
                .succeeds();
        disk.write(100_000, new byte[] {1, 2, 3});
    }

    @Test
    void writesWhatDiffersAndTellsHowMuch() {
        JsonNode report = run("restore --repo REPO --vm web --host memory:lab --over web --json")
                .succeeds()
                .json();

        assertThat(disk.content()).isEqualTo(ROOT);
        assertThat(report.get("vm").textValue()).isEqualTo("web");
        assertThat(report.get("comparedBytes").longValue()).isEqualTo(300_000);
        assertThat(report.get("writtenBytes").longValue()).isEqualTo(65_536);
        assertThat(report.get("files")).isEmpty();
    }

    @Test
    void tellsPeopleToo() {
        assertThat(run("restore --repo REPO --vm web --host memory:lab --over web")
                        .succeeds()
                        .output())
                .startsWith("over VM web\npoint ")
                .contains("293.0 KiB compared, 64.0 KiB written in");
    }

    @Test
    void refusesAVmThatRuns() {
        vm.shutOff(false);

        run("restore --repo REPO --vm web --host memory:lab --over web").failsWith(ExitStatus.FAILED, "web", "runs");
        assertThat(disk.content()).isNotEqualTo(ROOT);
    }

    @Test
    void aGuestThatCanNotBeBroughtToRestIsAWarning() {
        Run run = run("backup --host memory:lab --vm web --repo REPO --quiesce filesystem --strict --json")
                .exitsWith(ExitStatus.WARNINGS);

        assertThat(run.json().at("/warnings/0/code").textValue()).isEqualTo("QUIESCE_REFUSED");
    }

    private Run run(String line) {
        return Run.with(
                () -> GenieVm.builder().hypervisorProvider(provider).open(),
                line.replace("REPO", directory.resolve("repository").toString()).split(" "));
    }
}
