package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStore;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryVm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Restores to a folder in which there are files already. */
class RestoreToFolderTest {
    private static final VmId WEB = new VmId("web");
    private static final int CAPACITY = 1_000_001;

    private final Lab lab = new Lab();
    private InMemoryDisk root;
    private BackupReport point;
    private Map<DiskId, byte[]> truth;
    private Path folder;

    @BeforeEach
    void prepare() {
        InMemoryVm vm = lab.hypervisor().addVm("web");
        root = vm.addDisk("root", CAPACITY);
        root.write(0, Lab.random(1, 600_000));
        root.write(800_000, Lab.random(2, CAPACITY - 800_000));
        vm.addDisk("data", Lab.random(3, 300_000));
        vm.addDisk("empty", 0);
        point = lab.backup("web");
        truth = lab.truth(point.point());
        folder = lab.emptyFolder();
        restore();
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("files that a killed restore has left are taken for restored, and the others are restored")
    void repeated() throws IOException {
        for (Set<String> left : Set.of(Set.of("root"), Set.of("data", "empty"), Set.of("data", "empty", "root"))) {
            for (String disk : truth.keySet().stream().map(DiskId::value).toList()) {
                if (!left.contains(disk)) {
                    Files.delete(folder.resolve(disk));
                }
            }
            Map<String, Object> before = keysOf(left);

            RestoreReport report = restore();

            assertThat(report.files())
                    .extracting(file -> file.getFileName().toString())
                    .containsExactlyInAnyOrder("data", "empty", "root");
            assertThat(report.comparedBytes())
                    .isEqualTo((left.contains("root") ? CAPACITY : 0) + (left.contains("data") ? 300_000 : 0));
            assertThat(report.writtenBytes() == 0).isEqualTo(left.size() == 3);
            assertThat(keysOf(left)).as("the files that were there").isEqualTo(before);
            assertRestored();
        }
    }

    @Test
    @DisplayName("one byte more, less or other, in data or a hole, and nothing is restored, nor the file touched")
    void foreign() throws IOException {
        Files.delete(folder.resolve("data"));
        byte[] right = Objects.requireNonNull(truth.get(root.id()));
        for (int changed : new int[] {0, 700_000, CAPACITY - 1}) {
            byte[] other = right.clone();
            other[changed]++;
            assertRefused(other, "point " + point.point());
        }
        assertRefused(Arrays.copyOf(right, CAPACITY + 1), CAPACITY + " bytes");
        assertRefused(Arrays.copyOf(right, CAPACITY - 1), CAPACITY + " bytes");
    }

    @Test
    @DisplayName("what is no file is refused, also a link to an equal one")
    void links() throws IOException {
        Path file = folder.resolve("root");
        Path elsewhere = Files.move(file, folder.resolve("elsewhere"));
        Files.createSymbolicLink(file, elsewhere);
        assertThat(failure()).hasMessageContaining(file.toString());

        Files.delete(file);
        Files.createDirectory(file);
        assertThat(failure()).hasMessageContaining(file.toString());
    }

    @Test
    @DisplayName("a file of another point is refused, and accepted when that point is named")
    void anotherPoint() throws IOException {
        Files.delete(folder.resolve("data"));
        root.write(500_000, new byte[] {1, 2, 3});
        lab.backup("web");

        assertThat(failure()).hasMessageContaining("root");
        Lab.await(lab.repository()
                .restore(RestoreRequest.builder(WEB)
                        .point(point.point())
                        .toFolder(folder)
                        .build()));
        assertRestored();
    }

    @Test
    @DisplayName("a file that is written while the others are restored is not taken for restored, and stays")
    void changedMeanwhile() throws IOException {
        Files.delete(folder.resolve("data"));
        AtomicInteger second = new AtomicInteger();
        lab.store().intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                objects.get(key, offset, target);
                try {
                    // Still equal, so that nothing but the time can tell.
                    Files.setLastModifiedTime(
                            folder.resolve("root"), FileTime.from(second.incrementAndGet(), TimeUnit.SECONDS));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        });

        assertThat(failure()).hasMessageContaining("has changed since it was compared");
        assertThat(names()).containsExactly("empty", "root");

        lab.store().stopIntercepting();
        restore();
        assertRestored();
    }

    private RestoreReport restore() {
        return Lab.await(lab.repository()
                .restore(RestoreRequest.builder(WEB).toFolder(folder).build()));
    }

    private GenieVmException failure() {
        GenieVmException failure = Lab.failureOf(lab.repository()
                .restore(RestoreRequest.builder(WEB).toFolder(folder).build()));
        assertThat(failure.code()).isEqualTo(ErrorCode.ALREADY_EXISTS);
        return failure;
    }

    private void assertRefused(byte[] bytes, String message) throws IOException {
        Path file = folder.resolve("root");
        Files.write(file, bytes);
        assertThat(failure()).hasMessageContaining(file.toString()).hasMessageContaining(message);
        assertThat(file).hasBinaryContent(bytes);
        assertThat(names()).containsExactly("empty", "root");
    }

    private void assertRestored() throws IOException {
        for (Map.Entry<DiskId, byte[]> disk : truth.entrySet()) {
            assertThat(folder.resolve(disk.getKey().value())).hasBinaryContent(disk.getValue());
        }
        assertThat(names()).containsExactly("data", "empty", "root");
    }

    private Map<String, Object> keysOf(Set<String> files) throws IOException {
        Map<String, Object> keys = new TreeMap<>();
        for (String file : files) {
            keys.put(file, Files.getAttribute(folder.resolve(file), "unix:ino"));
        }
        return keys;
    }

    private Set<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            Set<String> names = new TreeSet<>();
            files.forEach(file -> names.add(file.getFileName().toString()));
            return names;
        }
    }
}
