package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DemoTest {
    private static final DemoDisk DISK = new DemoDisk("disk.raw", (4 << 20) + 777, 40);

    @TempDir
    private Path directory;

    @Test
    void theDemoShowsEveryStep() {
        Run run = Run.of("demo", "--json").succeeds();

        assertThat(run.json().get("steps"))
                .extracting(step -> step.get("step").textValue())
                .containsExactly(
                        "make disks",
                        "first backup",
                        "change disks",
                        "second backup",
                        "verify",
                        "restore first",
                        "compare first",
                        "restore second",
                        "compare second");
        JsonNode first = run.json().at("/steps/1");
        JsonNode second = run.json().at("/steps/3");
        assertThat(first.get("storedBytes").longValue())
                .isLessThan(first.get("readBytes").longValue());
        assertThat(second.get("storedBytes").longValue())
                .isPositive()
                .isLessThan(first.get("storedBytes").longValue() / 4);
        assertThat(run.json().get("directory").isNull()).isTrue();
    }

    @Test
    void theDemoCanLeaveItsRepositoryBehind() {
        Path keep = directory.resolve("kept");
        Run run = Run.of("demo", "--keep", keep.toString()).succeeds();

        assertThat(run.output()).startsWith("STEP").contains("bytes equal", keep.toString());
        assertThat(Run.of("list", "--repo", keep.resolve("repository").toString(), "--json")
                        .succeeds()
                        .json()
                        .get("points"))
                .hasSize(2);
    }

    @Test
    void aDiskIsMadeOfHolesAndData() throws IOException {
        DISK.create(directory, () -> {});

        Path file = directory.resolve(DISK.name());
        assertThat(file).hasSize(DISK.capacity());
        assertThat(DISK.mismatch(directory, 0, () -> {})).isEqualTo(-1);
        assertThat(DISK.mismatch(directory, 1, () -> {})).isNotEqualTo(-1);
    }

    @Test
    void aChangeMakesItAsOldAsItSays() throws IOException {
        DISK.create(directory, () -> {});

        assertThat(DISK.change(directory, 1, () -> {})).isPositive().isLessThan(DISK.capacity() / 4);

        assertThat(DISK.mismatch(directory, 1, () -> {})).isEqualTo(-1);
        assertThat(DISK.mismatch(directory, 0, () -> {})).isNotEqualTo(-1);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 65_535, 65_536, 2_000_000, (4 << 20) + 776})
    void aSingleWrongByteIsFound(long position) throws IOException {
        DISK.create(directory, () -> {});
        try (FileChannel file =
                FileChannel.open(directory.resolve(DISK.name()), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            ByteBuffer wrong = ByteBuffer.allocate(1);
            file.read(wrong, position);
            wrong.put(0, (byte) (wrong.get(0) + 1)).flip();
            file.write(wrong, position);
        }

        assertThat(DISK.mismatch(directory, 0, () -> {})).isEqualTo(position);
    }

    @Test
    void aMissingByteIsFound() throws IOException {
        DISK.create(directory, () -> {});
        try (FileChannel file = FileChannel.open(directory.resolve(DISK.name()), StandardOpenOption.WRITE)) {
            file.truncate(DISK.capacity() - 1);
        }

        assertThat(DISK.mismatch(directory, 0, () -> {})).isEqualTo(DISK.capacity() - 1);
    }
}
