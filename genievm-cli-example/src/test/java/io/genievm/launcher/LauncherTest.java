package io.genievm.launcher;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The script {@code genievm} in a checkout of its own, with a {@code java} and an {@code mvn} that only write down how
 * they were called. Every path has a space in it.
 */
class LauncherTest {
    @TempDir
    private Path directory;

    private final Map<String, String> environment = new TreeMap<>();
    private Path root;
    private Path launcher;
    private Path jar;
    private Path source;
    private Path elsewhere;

    private record Result(int status, List<String> out, String err, long pid) {
        /** How java was called, one argument a line; its process id is the first. */
        List<String> java() {
            assertThat(status).as(err).isZero();
            return out.subList(1, out.size());
        }
    }

    @BeforeEach
    void prepareCheckout() throws IOException {
        root = Files.createDirectories(directory.resolve("check out"));
        elsewhere = Files.createDirectories(directory.resolve("else where"));
        launcher = root.resolve("genievm");
        Files.copy(Path.of("..", "genievm"), launcher, StandardCopyOption.COPY_ATTRIBUTES);
        Path module = Files.createDirectories(root.resolve("genievm-cli-example"));
        source = Files.createDirectories(module.resolve("src/main")).resolve("Main.java");
        Files.createFile(source);
        Files.createFile(root.resolve("pom.xml"));
        Files.createFile(module.resolve("pom.xml"));
        jar = module.resolve("target/genievm.jar");

        Path tools = Files.createDirectories(directory.resolve("tool s"));
        script(tools.resolve("mvn"), """
                echo "$@" >>"$MAVEN_CALLS"
                echo 'Maven says hello'
                sleep "${MAVEN_SECONDS:-0}"
                [ -z "${MAVEN_FAILS:-}" ] || exit 1
                mkdir -p "%1$s/lib"
                echo "$$" >"%1$s/genievm.jar"
                """.formatted(jar.getParent()));
        environment.put("MAVEN_CALLS", directory.resolve("maven calls").toString());
        environment.put("PATH", tools + File.pathSeparator + System.getenv("PATH"));
        environment.put("HOME", directory.resolve("ho me").toString());
        useJava("17.0.15");
    }

    @Test
    void buildsOnceAndAgainWhenASourceOrPomChangedOrWentAway() throws Exception {
        assertThat(run().java()).contains("io.genievm.example.cli.Main");
        run().java();
        assertThat(mavenCalls()).hasSize(1).first().asString().contains("package");

        touch(source);
        run().java();
        run().java();
        assertThat(mavenCalls()).hasSize(2);

        touch(root.resolve("genievm-cli-example/pom.xml"));
        run().java();
        run().java();
        assertThat(mavenCalls()).hasSize(3);

        Files.delete(source);
        run().java();
        run().java();
        assertThat(mavenCalls()).hasSize(4);
    }

    @Test
    void whatIsEditedDuringABuildIsBuiltNextTime() throws Exception {
        environment.put("MAVEN_SECONDS", "1");
        Process building = start(launcher);
        while (mavenCalls().isEmpty()) {
            Thread.sleep(10);
        }
        touch(source);
        finish(building).java();
        environment.remove("MAVEN_SECONDS");

        run().java();

        assertThat(mavenCalls()).hasSize(2);
    }

    @Test
    void mavenSpeaksOnStandardErrorOnly() throws Exception {
        Result result = run();

        assertThat(result.java()).doesNotContain("Maven says hello");
        assertThat(result.err()).contains("Maven says hello");
    }

    @Test
    void twoFirstRunsAtOnceBuildOnce() throws Exception {
        environment.put("MAVEN_SECONDS", "1");
        Process one = start(launcher, "one");
        Process two = start(launcher, "two");

        assertThat(finish(one).java()).endsWith("one");
        assertThat(finish(two).java()).endsWith("two");
        assertThat(mavenCalls()).hasSize(1);
    }

    @Test
    void aFailedBuildFailsTheRun() throws Exception {
        environment.put("MAVEN_FAILS", "1");

        Result result = run();

        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out()).isEmpty();
        assertThat(result.err()).contains("genievm: the build failed");
    }

    @Test
    void aGivenJarIsRunAsItIsAndNothingIsBuilt() throws Exception {
        Path given = Files.createFile(elsewhere.resolve("my genievm.jar"));
        environment.put("GENIEVM_JAR", "my genievm.jar");

        assertThat(run().java()).containsSubsequence("-cp", given.toRealPath().toString());
        assertThat(mavenCalls()).isEmpty();

        environment.put("GENIEVM_JAR", "missing.jar");
        assertThat(run().status()).isEqualTo(1);
        assertThat(mavenCalls()).isEmpty();
    }

    @Test
    void runsThroughALinkAndPassesArgumentsAsTheyAre() throws Exception {
        Path link = Files.createSymbolicLink(elsewhere.resolve("li nk"), launcher);

        Result result = finish(start(link, "two words", "", "*", "$HOME", "-x"));

        assertThat(result.java()).endsWith("io.genievm.example.cli.Main", "two words", "", "*", "$HOME", "-x");
    }

    @Test
    void becomesJavaSoThatSignalsArrive() throws Exception {
        Result result = run();

        assertThat(result.out()).first().isEqualTo(Long.toString(result.pid()));
    }

    @Test
    void optionsOfTheUserComeAfterOurOwnAndPluginsBehindTheJar() throws Exception {
        environment.put("GENIEVM_JAVA_OPTS", "-Xmx1g  -Dx=y");
        environment.put("GENIEVM_PLUGINS", "/plug ins/a.jar:/b.jar");

        assertThat(run().java())
                .containsSubsequence(
                        "-Xlog:disable",
                        "-Xlog:all=warning:stderr",
                        "-Xmx1g",
                        "-Dx=y",
                        "-cp",
                        jar.toRealPath() + ":/plug ins/a.jar:/b.jar",
                        "io.genievm.example.cli.Main");
    }

    @ParameterizedTest
    @CsvSource({"17.0.15,false", "21,false", "22,true", "25.0.3,true"})
    void nativeAccessIsAllowedWhereJavaKnowsTheOption(String version, boolean allowed) throws Exception {
        useJava(version);

        assertThat(run().java().contains("--enable-native-access=ALL-UNNAMED")).isEqualTo(allowed);
    }

    @Test
    void anArchiveOfClassesIsMadeOncePerJavaAndJar() throws Exception {
        String first = archiveIn(run());
        assertThat(archiveIn(run())).isEqualTo(first);
        assertThat(javaCalls("-XX:ArchiveClassesAtExit")).isEqualTo(1);

        touch(source);
        assertThat(archiveIn(run())).isNotEqualTo(first);
        useJava("25.0.3");
        assertThat(archiveIn(run())).isNotEqualTo(first).contains("25.0.3");
        assertThat(javaCalls("-XX:ArchiveClassesAtExit")).isEqualTo(3);
    }

    @Test
    void noMoreThanAFewArchivesAreKept() throws Exception {
        for (int version = 1; version <= 12; version++) {
            useJava("17.0." + version);
            archiveIn(run());
        }

        try (var files = Files.list(directory.resolve("ho me/.cache/genievm"))) {
            assertThat(files.filter(file -> file.toString().endsWith(".jsa"))).hasSize(8);
        }
        archiveIn(run());
        assertThat(javaCalls("-XX:ArchiveClassesAtExit")).isEqualTo(12);
    }

    @Test
    void aCacheThatCannotBeWrittenIsDoneWithout() throws Exception {
        environment.put("GENIEVM_CACHE_DIR", "/dev/null/cache");
        Result result = run();

        assertThat(result.java()).noneMatch(argument -> argument.startsWith("-XX:SharedArchiveFile"));
        assertThat(result.err().lines()).containsExactly("Maven says hello");
    }

    @Test
    void anArchiveThatCouldNotBeMadeIsNotTriedAgain() throws Exception {
        environment.put("JAVA_MAKES_NO_ARCHIVE", "1");

        for (int i = 0; i < 3; i++) {
            assertThat(run().java()).noneMatch(argument -> argument.startsWith("-XX:SharedArchiveFile"));
        }
        assertThat(javaCalls("-XX:ArchiveClassesAtExit")).isEqualTo(1);
    }

    private static String archiveIn(Result result) throws IOException {
        String option = result.java().stream()
                .filter(argument -> argument.startsWith("-XX:SharedArchiveFile="))
                .findFirst()
                .orElseThrow();
        String archive = option.substring(option.indexOf('=') + 1);
        assertThat(Path.of(archive)).hasContent("classes");
        return archive;
    }

    /** Sets JAVA_HOME to a Java that prints its process id and its arguments, a line each. */
    private void useJava(String version) throws IOException {
        Path home = directory.resolve("jdk " + version);
        Files.createDirectories(home.resolve("bin"));
        Files.writeString(
                home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\nOS_NAME=\"Linux\"\n");
        script(home.resolve("bin/java"), """
                echo "$*" >>"%s"
                echo "$$"
                for argument in "$@"; do
                    printf '%%s\\n' "$argument"
                    case $argument in
                    -XX:ArchiveClassesAtExit=*)
                        [ -n "${JAVA_MAKES_NO_ARCHIVE:-}" ] || printf classes >"${argument#*=}" ;;
                    esac
                done
                """.formatted(directory.resolve("java calls")));
        environment.put("JAVA_HOME", home.toString());
    }

    private static void script(Path file, String text) throws IOException {
        Files.writeString(file, "#!/bin/sh\n" + text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static void touch(Path file) throws IOException {
        Files.setLastModifiedTime(file, FileTime.from(Instant.now()));
    }

    private Result run(String... arguments) throws Exception {
        return finish(start(launcher, arguments));
    }

    private Process start(Path script, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(script.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(elsewhere.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("GENIEVM_") || name.startsWith("XDG_"));
        builder.environment().putAll(environment);
        return builder.start();
    }

    private static Result finish(Process process) throws Exception {
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Result(process.exitValue(), out.lines().toList(), err, process.pid());
    }

    private List<String> mavenCalls() throws IOException {
        Path calls = directory.resolve("maven calls");
        return Files.exists(calls) ? Files.readAllLines(calls) : List.of();
    }

    private long javaCalls(String option) throws IOException {
        return Files.readAllLines(directory.resolve("java calls")).stream()
                .filter(call -> call.contains(option))
                .count();
    }
}
