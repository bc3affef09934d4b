package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real file system with a real tree in it, there and back. Needs e2fsprogs. */
class RealImageIT {
    private static final long TREE_BYTES = 220L << 20;

    @TempDir
    private Path folder;

    @Test
    void anExt4ImageComesBackAsItWas() throws Exception {
        Path image = Files.createDirectories(folder.resolve("vms/debian")).resolve("root.raw");
        Path tree = folder.resolve("tree");
        copyTree(Path.of("/usr/share/doc"), tree.resolve("doc"), TREE_BYTES / 4);
        copyTree(Path.of("/etc"), tree.resolve("etc"), TREE_BYTES / 4);
        copyTree(Path.of(System.getProperty("java.home")), tree.resolve("java"), TREE_BYTES / 2);
        run("mke2fs", "-q", "-t", "ext4", "-d", tree.toString(), image.toString(), "600M");
        run("e2fsck", "-fn", image.toString());
        // Links in it lead out of the folder, which is not to everybody's liking.
        run("rm", "-rf", tree.toString());

        backUpAndCompare(image, "zstd");
    }

    private void backUpAndCompare(Path image, String codec) throws Exception {
        String repository = folder.resolve("repository").toString();
        Path target = folder.resolve("target");
        command("init", "--repo", repository);
        JsonNode report = command(
                        "backup",
                        "--json",
                        "--host",
                        "images:" + folder.resolve("vms"),
                        "--repo",
                        repository,
                        "--vm",
                        "debian",
                        "--codec",
                        codec)
                .json();
        command("verify", "--repo", repository);
        command("restore", "--repo", repository, "--vm", "debian", "--to", target.toString());

        Path restored = target.resolve("root.raw");
        run("cmp", image.toString(), restored.toString());
        run("e2fsck", "-fn", restored.toString());
        SparseFile source = new SparseFile(image);
        SparseFile copy = new SparseFile(restored);
        copy.requireNoLargerThan(source);
        assertThat(copy.zeroBlocks()).isZero();
        long read = report.at("/disks/0/readBytes").longValue();
        long stored = report.at("/disks/0/storedBytes").longValue();
        assertThat(read).isBetween(source.allocated() * 9 / 10, source.allocated() * 2);
        assertThat(stored).isLessThan(read * 9 / 10);
        System.out.printf(
                "ext4 image with %s: %d MiB allocated, %d MiB read, %d MiB stored, %d MiB allocated when restored%n",
                codec, source.allocated() >> 20, read >> 20, stored >> 20, copy.allocated() >> 20);
        Files.delete(restored);
    }

    private Command.Outcome command(String... words) throws Exception {
        return Command.run(folder, List.of("-Xmx256m"), words).succeeds();
    }

    private void run(String... words) throws Exception {
        Path output = folder.resolve("tool.txt");
        ProcessBuilder builder =
                new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(output.toFile());
        Map<String, String> environment = builder.environment();
        environment.put("PATH", environment.get("PATH") + ":/usr/sbin:/sbin");
        assertThat(builder.start().waitFor())
                .as(String.join(" ", words) + "\n" + Files.readString(output))
                .isZero();
    }

    /** Copies what can be read of a tree, links as links, until it is enough. */
    private static void copyTree(Path from, Path to, long limit) throws IOException {
        List<Long> sizes = new ArrayList<>();
        Files.walkFileTree(from, new SimpleFileVisitor<>() {
            private long left = limit;

            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) throws IOException {
                Files.createDirectories(to.resolve(from.relativize(folder).toString()));
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Path target = to.resolve(from.relativize(file).toString());
                if (attributes.isSymbolicLink() || attributes.isRegularFile() && Files.isReadable(file)) {
                    Files.copy(file, target, LinkOption.NOFOLLOW_LINKS, StandardCopyOption.COPY_ATTRIBUTES);
                    left -= attributes.size();
                    sizes.add(attributes.size());
                }
                return left > 0 ? FileVisitResult.CONTINUE : FileVisitResult.TERMINATE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException failure) {
                return FileVisitResult.CONTINUE;
            }
        });
        assertThat(sizes).as("files below %s", from).isNotEmpty();
    }
}
