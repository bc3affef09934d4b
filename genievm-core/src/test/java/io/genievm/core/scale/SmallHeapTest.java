package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Memory is bounded by the settings, not by what is backed up nor by the machine. */
@Tag("torture")
class SmallHeapTest {
    @TempDir
    private Path folder;

    @Test
    void ofManyThreadsOnlyAsManyWorkAsTheMemoryHasRoomFor() throws Exception {
        assertFits(256, "random", Torture.scaled(2L << 30), 256, RepositoryOptions.DEFAULT);
    }

    @Test
    void segmentsAsLargeAsTheyMayBe() throws Exception {
        assertFits(256, "random", Torture.scaled(4L << 30), 64, new RepositoryOptions(1 << 20, 16 << 20, 256 << 20));
    }

    @Test
    void chunksThatShrinkToAlmostNothingMakePacksOfManyEntries() throws Exception {
        assertFits(96, "numbered", Torture.scaled(4L << 30), 2, new RepositoryOptions(4096, 1 << 20, 32 << 20));
    }

    @Test
    void packsAsLargeAsTheyMayBe() throws Exception {
        assertFits(256, "numbered", Torture.scaled(4L << 30), 8, new RepositoryOptions(4096, 4096, 1 << 30));
    }

    private void assertFits(int mebibytes, String content, long capacity, int parallelism, RepositoryOptions options)
            throws Exception {
        ChildJvm.Outcome outcome = ChildJvm.run(
                folder,
                List.of("-Xmx" + mebibytes + "m", "-XX:MaxDirectMemorySize=256m", "-XX:+ExitOnOutOfMemoryError"),
                Job.class,
                content,
                Long.toString(capacity),
                Integer.toString(parallelism),
                Integer.toString(options.chunkSize()),
                Integer.toString(options.segmentSize()),
                Integer.toString(options.packSize()));

        assertThat(outcome.status()).as(outcome.output()).isZero();
        assertThat(outcome.output()).contains("equal");
        assertThat(outcome.peakBytes()).isLessThan(512L << 20);
    }

    /** Backs up, verifies and restores a disk. */
    static final class Job {
        private Job() {}

        public static void main(String... arguments) throws Exception {
            List<String> words = new ArrayList<>(List.of(arguments));
            String content = words.remove(0);
            long[] numbers = words.stream().mapToLong(Long::parseLong).toArray();
            RepositoryOptions options = new RepositoryOptions((int) numbers[2], (int) numbers[3], (int) numbers[4]);
            SyntheticHost host = new SyntheticHost(new SyntheticHost.Disk(
                    "disk",
                    numbers[0],
                    content.equals("random") ? Noise.random(1) : Noise.numbered(options.chunkSize())));
            Path place = Files.createTempDirectory("repository");
            try (Site site = Site.create(
                    new FolderStore(place), options, host, settings -> settings.parallelism((int) numbers[1]))) {
                timed("backup", () -> site.backUp(Codec.DEFAULT));
                timed("backup again", () -> site.backUp(Codec.DEFAULT));
                timed("verify", site::verify);
                timed("restore", site::restore);
            }
            System.out.println("equal");
        }

        private static void timed(String what, Step step) throws Exception {
            long start = System.nanoTime();
            step.run();
            System.out.printf("%s %.1f s%n", what, (System.nanoTime() - start) / 1e9);
        }

        private interface Step {
            void run() throws Exception;
        }
    }
}
