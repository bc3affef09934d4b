package io.genievm.example.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/** A folder with VMs to back up, a repository, and room for what is restored. */
record Site(Path root) {
    Path vms() {
        return root.resolve("vms");
    }

    Path repository() {
        return root.resolve("repository");
    }

    Path target() {
        return root.resolve("target");
    }

    /** Gives the file. */
    Path image(String vm, String disk, byte[] content) throws IOException {
        return Files.write(Files.createDirectories(vms().resolve(vm)).resolve(disk), content);
    }

    static byte[] noise(long seed, int length) {
        byte[] content = new byte[length];
        new Random(seed).nextBytes(content);
        return content;
    }

    /**
     * Gives the words of a command line, in which {@code HOST}, {@code REPO}, {@code TARGET} and {@code ROOT} stand for
     * what is here.
     */
    String[] words(String line) {
        return Stream.of(line.split(" "))
                .filter(word -> !word.isEmpty())
                .map(word -> word.replace("HOST", "images:" + vms())
                        .replace("REPO", repository().toString())
                        .replace("TARGET", target().toString())
                        .replace("ROOT", root.toString()))
                .toArray(String[]::new);
    }

    Run run(String line) {
        return Run.of(words(line));
    }

    Site withRepository() {
        run("init --repo REPO").succeeds();
        return this;
    }

    Run backUp(String vmAndOptions) {
        return run("backup --json --host HOST --repo REPO --vm " + vmAndOptions);
    }

    /** Gives the id of a new point. */
    String point(String vm) {
        JsonNode report = backUp(vm).succeeds().json();
        return report.get("point").textValue();
    }

    /** The objects of the repository whose keys begin so. */
    List<Path> objects(String prefix) throws IOException {
        try (Stream<Path> files = Files.walk(repository())) {
            return files.filter(Files::isRegularFile)
                    .filter(file -> repository().relativize(file).toString().startsWith(prefix))
                    .sorted()
                    .toList();
        }
    }

    /**
     * Everything that is there: what a command must not have changed is equal before and after. The times of folders do
     * not count: a session that was begun and given up leaves them newer, and nothing else.
     */
    SortedMap<String, String> everything() throws IOException {
        SortedMap<String, String> entries = new TreeMap<>();
        try (Stream<Path> files = Files.walk(root)) {
            files.forEach(file -> entries.put(root.relativize(file).toString(), described(file)));
        }
        return entries;
    }

    private static String described(Path file) {
        try {
            Map<String, Object> attributes =
                    Files.readAttributes(file, "unix:mode,ino,size,lastModifiedTime", LinkOption.NOFOLLOW_LINKS);
            if (Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS)) {
                return "folder " + attributes.get("mode");
            }
            return "file " + attributes + Arrays.hashCode(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
