package io.genievm.testkit.fault;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** No state after a power cut is one that a model of single bytes and names calls impossible. */
class CrashModelTest {
    private static final List<String> NAMES = List.of("a", "b", "c");

    @Test
    void noStateIsImpossible() throws IOException {
        Long given = Long.getLong("genievm.seed");
        for (long seed = given == null ? 1 : given; seed <= (given == null ? 40 : given); seed++) {
            try {
                new Run(seed).check();
            } catch (AssertionError e) {
                throw new AssertionError(
                        "failed with seed " + seed + "; run it again with: mvn -pl genievm-testkit -am test"
                                + " -Dsurefire.failIfNoSpecifiedTests=false -Dtest=CrashModelTest -Dgenievm.seed="
                                + seed,
                        e);
            }
        }
    }

    /** What each byte of a file may be. */
    private static final class ModelFile {
        private final List<Set<Byte>> bytes = new ArrayList<>();
        private byte[] now = new byte[0];
        private int least;
        private int most;

        void write(int offset, byte[] source) {
            byte[] after = Arrays.copyOf(now, Math.max(now.length, offset + source.length));
            for (int i = now.length; i < after.length; i++) {
                at(i).add((byte) 0);
            }
            System.arraycopy(source, 0, after, offset, source.length);
            for (int i = 0; i < source.length; i++) {
                at(offset + i).add(source[i]);
            }
            now = after;
            most = Math.max(most, now.length);
        }

        void cut(int size) {
            for (int i = size; i < now.length; i++) {
                at(i).add((byte) 0);
            }
            now = Arrays.copyOf(now, Math.min(size, now.length));
            least = Math.min(least, now.length);
        }

        void force() {
            bytes.clear();
            for (int i = 0; i < now.length; i++) {
                at(i).add(now[i]);
            }
            least = now.length;
            most = now.length;
        }

        private Set<Byte> at(int i) {
            while (bytes.size() <= i) {
                bytes.add(new HashSet<>());
            }
            return bytes.get(i);
        }

        boolean isPossible(byte[] found) {
            for (int i = 0; i < found.length; i++) {
                if (!at(i).contains(found[i])) {
                    return false;
                }
            }
            return least <= found.length && found.length <= most;
        }
    }

    private static final class Run {
        private final Random random;
        private final CrashFileSystem disk;
        private final Map<String, @Nullable ModelFile> names = new HashMap<>();
        private final Map<String, Set<@Nullable ModelFile>> possible = new HashMap<>();

        Run(long seed) {
            random = new Random(seed * 0x9E3779B97F4A7C15L);
            disk = CrashFileSystem.create(seed);
            disk.shortTransfers(random.nextBoolean());
            forceFolder();
        }

        void check() throws IOException {
            for (int step = 0; step < 60; step++) {
                change(name());
                for (int i = 0; i < 4; i++) {
                    CrashFileSystem left = disk.crash(disk.moment(), random.nextLong());
                    for (String name : NAMES) {
                        Path path = left.root().resolve(name);
                        byte[] found = Files.exists(path) ? Files.readAllBytes(path) : null;
                        assertThat(possible.get(name))
                                .as("what %s may be after step %s in %s", name, step, left)
                                .anyMatch(
                                        file -> file == null ? found == null : found != null && file.isPossible(found));
                    }
                }
            }
        }

        private String name() {
            return NAMES.get(random.nextInt(NAMES.size()));
        }

        private void change(String name) throws IOException {
            Path path = disk.root().resolve(name);
            ModelFile file = names.get(name);
            int what = random.nextInt(file == null ? 2 : 8);
            if (what == 0) {
                try (FileChannel folder = FileChannel.open(disk.root())) {
                    folder.force(true);
                }
                forceFolder();
            } else if (file == null) {
                Files.createFile(path);
                name(name, new ModelFile());
            } else {
                change(name, path, file, what);
            }
        }

        private void change(String name, Path path, ModelFile file, int what) throws IOException {
            switch (what) {
                case 1 -> {
                    Files.delete(path);
                    name(name, null);
                }
                case 2 -> {
                    String other = name();
                    if (names.get(other) == null) {
                        Files.createLink(disk.root().resolve(other), path);
                        name(other, file);
                    }
                }
                case 3 -> {
                    String other = name();
                    if (names.get(other) != file) {
                        Files.move(path, disk.root().resolve(other), StandardCopyOption.REPLACE_EXISTING);
                        name(other, file);
                        name(name, null);
                    }
                }
                case 4 -> {
                    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                        int size = random.nextInt(6000);
                        channel.truncate(size);
                        file.cut(size);
                    }
                }
                case 5 -> {
                    try (FileChannel channel = FileChannel.open(path)) {
                        channel.force(true);
                        file.force();
                    }
                }
                default -> {
                    byte[] bytes = new byte[1 + random.nextInt(5000)];
                    random.nextBytes(bytes);
                    int offset = random.nextInt(6000);
                    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                        ByteBuffer source = ByteBuffer.wrap(bytes);
                        while (source.hasRemaining()) {
                            channel.write(source, offset + source.position());
                        }
                    }
                    file.write(offset, bytes);
                }
            }
        }

        private void name(String name, @Nullable ModelFile file) {
            names.put(name, file);
            Objects.requireNonNull(possible.get(name)).add(file);
        }

        private void forceFolder() {
            NAMES.forEach(name -> possible.put(name, new HashSet<>(Collections.singleton(names.get(name)))));
        }
    }
}
