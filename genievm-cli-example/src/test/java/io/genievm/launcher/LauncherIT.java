package io.genievm.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script {@code genievm} with the Java of this test and the jar that the build has just made. */
class LauncherIT {
    /** Not a place where files can be, so no archive of classes is made, which would take a second or two. */
    private static final Path NOWHERE = Path.of("/dev/null/cache");

    @TempDir
    private Path directory;

    private Path cache;
    private Path vms;

    private record Result(int status, String out, String err) {}

    @BeforeEach
    void prepareVm() throws IOException {
        cache = directory.resolve("cache");
        vms = directory.resolve("vms");
        Files.write(Files.createDirectories(vms.resolve("web")).resolve("root.raw"), new byte[65536]);
    }

    @Test
    void standardOutputIsTheSameWithoutAnArchiveOfClassesAndWithOne() throws Exception {
        Result without = run(NOWHERE, "vms", "--host", "images:" + vms, "--json");
        assertThat(without.status()).as(without.err()).isZero();
        assertThat(without.out()).contains("root.raw", "65536");

        for (int i = 0; i < 2; i++) {
            assertThat(run(cache, "vms", "--host", "images:" + vms, "--json")).isEqualTo(without);
            assertThat(archives())
                    .hasSize(1)
                    .allSatisfy(archive -> assertThat(archive.toFile()).isNotEmpty());
        }
    }

    @Test
    void theJvmHasNothingToSay() throws Exception {
        for (int i = 0; i < 2; i++) {
            Result result = run(
                    cache, "init", "--repo", directory.resolve("repository" + i).toString());

            assertThat(result.status()).as(result.err()).isZero();
            assertThat(result.out() + result.err())
                    .doesNotContain("WARNING", "[warning]", "[error]", "SLF4J", "Java HotSpot", "OpenJDK");
        }
    }

    @Test
    void driversAreOnTheClassPath() throws Exception {
        Result result = run(NOWHERE, "vms", "--host", "clouds:anything", "--json");

        assertThat(result.status()).isEqualTo(1);
        assertThat(result.out()).contains("UNSUPPORTED", "images", "kvm", "vmware");
    }

    private List<Path> archives() throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            return files.filter(file -> file.toString().endsWith(".jsa")).toList();
        }
    }

    private Result run(Path archives, String... arguments) throws Exception {
        Path out = Files.createTempFile(directory, "out", "");
        Path err = Files.createTempFile(directory, "err", "");
        List<String> command = new ArrayList<>(List.of("../genievm"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("GENIEVM_") || name.startsWith("JAVA_"));
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("GENIEVM_JAR", "target/genievm.jar");
        builder.environment().put("GENIEVM_CACHE_DIR", archives.toString());
        Process process = builder.start();
        process.getOutputStream().close();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
    }
}
