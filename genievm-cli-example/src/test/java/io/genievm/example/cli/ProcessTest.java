package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What can only be seen from outside: streams, exit statuses and signals of a process. */
class ProcessTest {
    private static final String SLOW_BACKUP = "backup --host slow:disk --vm slow --repo REPO";

    @TempDir
    private Path directory;

    @TempDir
    private Path folder;

    private Site site;

    @BeforeEach
    void makeSite() throws IOException {
        site = new Site(directory);
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(
                services.resolve(HypervisorProvider.class.getName()),
                SlowProvider.class.getName() + "\n" + HeldProvider.class.getName() + "\n");
        Files.writeString(
                services.resolve(BlobStoreProvider.class.getName()), SlowStoreProvider.class.getName() + "\n");
    }

    @Test
    void theWholeJobIsDoneWithJsonAloneOnStandardOutput() throws Exception {
        byte[] content = Site.noise(1, 3_000_000);
        site.image("grün", "root.raw", content);

        for (String line : List.of(
                "--json init --repo REPO",
                "--json vms --host HOST",
                "--json backup --host HOST --vm grün --repo REPO",
                "--json backup --host HOST --vm grün --repo REPO --audit full",
                "--json list --repo REPO",
                "--json verify --repo REPO",
                "--json restore --repo REPO --vm grün --to TARGET")) {
            assertAnswers(line);
        }
        JsonNode points = site.run("list --json --repo REPO").json().get("points");
        String first = points.at("/0/id").textValue();
        String second = points.at("/1/id").textValue();
        assertThat(assertAnswers("--json diff --repo REPO --point " + first + " --point " + second)
                        .get("to")
                        .textValue())
                .isEqualTo(second);
        assertAnswers("--json delete --repo REPO --point " + first);
        assertThat(site.target().resolve("root.raw")).hasBinaryContent(content);
    }

    private JsonNode assertAnswers(String line) throws IOException, InterruptedException {
        Run run = run(Map.of(), line).succeeds();

        assertThat(run.json().has("error")).isFalse();
        assertThat(run.error()).as("standard error of %s", line).doesNotContain("Exception", "WARN", "SLF4J");
        return run.json();
    }

    @ParameterizedTest
    @CsvSource({"'init', 2", "'list --repo ROOT/nope', 1", "'vms --host clouds:x', 1", "'--help', 0"})
    void theExitStatusReachesTheShell(String line, int status) throws Exception {
        assertThat(run(Map.of(), line).status()).isEqualTo(status);
    }

    @Test
    void stackTracesAreShownOnlyIfAskedFor() throws Exception {
        run(Map.of(), "list --repo ROOT/nope").failsWith(ExitStatus.FAILED, "nope");

        assertThat(run(Map.of("GENIEVM_DEBUG", "1"), "list --repo ROOT/nope").error())
                .contains("\tat io.genievm.");
    }

    @ParameterizedTest
    @CsvSource({"--help, 1, 1", "init --json, 2, 2"})
    void outputThatGoesNowhereIsAFailure(String line, int status, int complaints) throws Exception {
        try (Program program = Program.startWithoutOutput(folder, site.words(line))) {
            Run run = program.await().exitsWith(status);

            assertThat(run.errorLines())
                    .hasSize(complaints)
                    .last()
                    .isEqualTo("genievm: can not write to standard output");
        }
    }

    @Test
    void anImageThatMayNotBeReadFailsTheBackup() throws Exception {
        site.withRepository();
        Files.setPosixFilePermissions(site.image("web", "root.raw", new byte[10]), Set.of());
        SortedMap<String, String> before = site.everything();

        try (Program program =
                Program.startWithoutPrivileges(folder, site.words("backup --host HOST --vm web --repo REPO --json"))) {
            Run run = program.await().failsWith(ExitStatus.FAILED, "root.raw");

            assertThat(run.json().at("/error/code").textValue()).isEqualTo("ACCESS_DENIED");
        }
        assertThat(site.everything()).isEqualTo(before);
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void aSignalCancelsTheTaskAndLeavesNothingBehind(String signal, int status) throws Exception {
        site.withRepository();
        try (Program program = start(Map.of(), SLOW_BACKUP + " --json")) {
            program.awaitWords("copying");
            long start = System.nanoTime();
            program.signal(signal);
            Run run = program.await().exitsWith(status);

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
            assertThat(run.errorLines()).last().asString().startsWith("genievm: interrupted");
            assertThat(run.json().at("/error/code").textValue()).isEqualTo("CANCELLED");
        }
        assertThat(objects()).allMatch(name -> name.startsWith("repository"));
        assertThat(site.run("list --repo REPO --json").succeeds().json().get("points"))
                .isEmpty();
        site.run("verify --repo REPO").succeeds();
    }

    /** What takes so long in the store, or in the driver, that the signal comes while the task is in the phase. */
    static Stream<Arguments> phases() {
        return Stream.of(
                        "backup PREPARE list=points/",
                        "backup COPY put=packs/",
                        "backup COMMIT put=points/",
                        "backup COMMIT put=witness/",
                        "backup AUDIT READ",
                        "restore PREPARE list=points/",
                        "restore COPY get=packs/",
                        "create PREPARE list=points/",
                        "create COPY get=packs/",
                        "create COMMIT COMPLETE",
                        "over PREPARE list=points/",
                        "over COMPARE READ",
                        "over COPY WRITE",
                        "verify STRUCTURE list=packs/",
                        "verify DATA get=packs/",
                        "delete OPEN list=points/",
                        "delete COMMIT delete=points/")
                .map(line -> line.split(" "))
                .flatMap(words ->
                        Stream.of("INT", "TERM").map(signal -> Arguments.of(words[0], words[1], words[2], signal)));
    }

    @ParameterizedTest
    @MethodSource("phases")
    void aSignalInEachPhaseLeavesNothingBehind(String command, String phase, String slow, String signal)
            throws Exception {
        site.withRepository();
        byte[] then = Site.noise(1, 1_000_000);
        byte[] now = Site.noise(2, 1_000_000);
        site.image("web", "root.raw", then);
        String host = "held:" + (slow.contains("=") ? "NOTHING" : slow) + "=" + site.vms();
        String first = run(Map.of(), "backup --json --repo REPO --vm web --host held:NOTHING=" + site.vms())
                .succeeds()
                .json()
                .get("point")
                .textValue();
        site.image("web", "root.raw", now);
        Path temporary = Files.createDirectory(directory.resolve("tmp"));
        String repository = slow.contains("=") ? "slowly:" + slow + "=REPO" : "REPO";
        String line = switch (command) {
                    case "backup" -> "backup --vm web --audit full --host " + (phase.equals("AUDIT") ? host : "HOST");
                    case "restore" -> "restore --vm web --to TARGET";
                    case "create" -> "restore --vm web --name new --host " + host;
                    case "over" -> "restore --vm web --over web --host " + host;
                    case "delete" -> "delete --point " + first;
                    default -> command;
                }
                + " --json --repo " + repository;
        boolean isDone;
        try (Program program = start(
                Map.of("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + temporary + " -Djna.tmpdir=" + directory), line)) {
            program.awaitWords(slow.contains("=") ? "slowly: " + slow.replace("=", " ") : "held: " + slow);
            program.signal(signal);
            Run run = program.await();

            // Too late for a point that is there, a VM that is made, or a point that is deleted: then that is the
            // answer.
            isDone = run.status() == 0;
            if (!isDone) {
                run.exitsWith(signal.equals("INT") ? 130 : 143);
                assertThat(run.json().at("/error/code").textValue()).isEqualTo("CANCELLED");
            } else {
                assertThat(phase).isEqualTo("COMMIT");
                assertThat(run.json().has("error")).isFalse();
            }
        }
        assertThat(isEmpty(temporary)).as("work files").isTrue();
        assertThat(site.target()).doesNotExist();
        assertThat(objects()).noneMatch(name -> name.startsWith(".tmp"));
        try (Stream<Path> vms = Files.list(site.vms())) {
            assertThat(vms.map(vm -> vm.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            command.equals("create") && isDone ? new String[] {"web", "new"} : new String[] {"web"});
        }
        if (!phase.equals("COPY") || !command.equals("over")) {
            assertThat(site.vms().resolve("web/root.raw")).hasBinaryContent(now);
        }
        if (!command.equals("delete")) {
            assertThat(objects()).noneMatch(name -> name.startsWith("sessions/") || name.startsWith("progress/"));
            assertThat(site.run("restore --repo REPO --vm web --point " + first + " --to TARGET")
                            .status())
                    .isZero();
        }
        if (command.equals("over")) {
            run(Map.of(), "restore --repo REPO --vm web --over web --host held:NOTHING=" + site.vms())
                    .succeeds();
            assertThat(site.vms().resolve("web/root.raw")).hasBinaryContent(then);
        }
        site.run("verify --repo REPO").succeeds();
        site.backUp("web").succeeds();
    }

    @Test
    void aSecondSignalEndsItAtOnce() throws Exception {
        site.withRepository();
        try (Program program = start(Map.of(), "backup --host slow:goodbye --vm slow --repo REPO --json")) {
            program.awaitWords("copying");
            program.signal("INT");
            program.awaitWords("interrupted, cleaning up");
            long start = System.nanoTime();
            program.signal("INT");
            Run run = program.await().exitsWith(130);

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(2));
            assertThat(run.json().at("/error/code").textValue()).isEqualTo("CANCELLED");
        }
    }

    @Test
    void aCleanUpThatTakesTooLongIsNotWaitedFor() throws Exception {
        site.withRepository();
        try (Program program = start(Map.of(), "backup --host slow:goodbye --vm slow --repo REPO")) {
            program.awaitWords("copying");
            long start = System.nanoTime();
            program.signal("TERM");
            program.await().exitsWith(143);

            assertThat(Duration.ofNanos(System.nanoTime() - start))
                    .isBetween(Duration.ofSeconds(4), Duration.ofSeconds(8));
        }
        assertThat(site.run("list --repo REPO --json").succeeds().json().get("points"))
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void aComparisonCanBeBrokenOff(String signal, int status) throws Exception {
        site.withRepository();
        site.image("web", "root.raw", Site.noise(1, 100_000));
        String first = site.point("web");
        site.image("web", "root.raw", Site.noise(2, 100_000));
        String second = site.point("web");
        Path temporary = Files.createDirectory(directory.resolve("tmp"));
        Map<String, String> environment = Map.of("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + temporary);
        String line = "diff --json --repo slowly:REPO --point " + first + " --point " + second;
        try (Program program = start(environment, line)) {
            program.awaitWords("slowly: get packs/");
            long start = System.nanoTime();
            program.signal(signal);
            Run run = program.await().exitsWith(status);

            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(5));
            assertThat(run.json().at("/error/code").textValue()).isEqualTo("CANCELLED");
        }
        assertThat(isEmpty(temporary)).isTrue();
    }

    @Test
    void aTerminalGetsABarThatIsDrawnOverAndFits() throws Exception {
        site.withRepository();
        try (Program program =
                Program.startOnTerminal(folder, site.words("backup --host slow:brief --vm slow --repo REPO"))) {
            Run run = program.await().succeeds();

            assertThat(run.output()).contains("\rbackup of 'slow'", " %  [");
            assertThat(run.output().split("[\r\n]+"))
                    .filteredOn(line -> line.startsWith("backup of"))
                    .allSatisfy(line -> assertThat(line).hasSizeLessThan(70));
        }
    }

    @Test
    void aDemoThatIsInterruptedRemovesItsFolder() throws Exception {
        Path temporary = Files.createDirectory(directory.resolve("tmp"));
        try (Program program = start(Map.of("JAVA_TOOL_OPTIONS", "-Djava.io.tmpdir=" + temporary), "demo")) {
            while (program.isAlive() && isEmpty(temporary)) {
                Thread.sleep(5);
            }
            program.signal("INT");
            program.await().exitsWith(130);
        }
        assertThat(isEmpty(temporary)).isTrue();
    }

    private Program start(Map<String, String> environment, String line) throws IOException {
        return Program.start(folder, environment, site.words(line));
    }

    private Run run(Map<String, String> environment, String line) throws IOException, InterruptedException {
        try (Program program = start(environment, line)) {
            return program.await();
        }
    }

    private List<String> objects() throws IOException {
        return site.objects("").stream()
                .map(file -> site.repository().relativize(file).toString())
                .toList();
    }

    private static boolean isEmpty(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.findAny().isEmpty();
        }
    }
}
