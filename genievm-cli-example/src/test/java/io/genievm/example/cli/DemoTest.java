package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.BackupReport;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
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
                        "full backup",
                        "change disks",
                        "incremental",
                        "change and lie",
                        "audited backup",
                        "look at audit",
                        "look at points",
                        "diff 2 and 3",
                        "verify",
                        "restore 1",
                        "compare 1",
                        "restore 2",
                        "compare 2",
                        "restore 3",
                        "compare 3");
        JsonNode full = run.json().at("/steps/1");
        JsonNode incremental = run.json().at("/steps/3");
        assertThat(full.get("result").textValue()).isEqualTo("point 1: 3 disks ALL");
        assertThat(incremental.get("result").textValue()).isEqualTo("point 2: 3 disks CHANGED");
        assertThat(run.json().at("/steps/5/result").textValue()).isEqualTo("point 3: 2 disks CHANGED, 1 disk SCAN");
        for (String field : List.of("readBytes", "storedBytes")) {
            assertThat(incremental.get(field).longValue())
                    .isPositive()
                    .isLessThan(full.get(field).longValue() / 4);
        }
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
                .hasSize(3);
    }

    @Test
    void aLieThatIsNotFoundFails() {
        Extent lie = new Extent(65536, 65536);
        Extent other = new Extent(0, 65536);
        String liar = Demo.LIED_ABOUT.name();

        assertThat(Demo.requireFound(lie, audited(liar, lie))).isEqualTo(liar + ", bytes 65536 to 131071");
        for (BackupReport wrong :
                List.of(audited(liar), audited(liar, other), audited(liar, other, lie), audited("honest.raw", lie))) {
            assertThatThrownBy(() -> Demo.requireFound(lie, wrong))
                    .isInstanceOf(GenieVmException.class)
                    .satisfies(thrown -> assertThat(ExitStatus.of(((GenieVmException) thrown).code()))
                            .isEqualTo(ExitStatus.FAILED));
        }
    }

    private static BackupReport audited(String disk, Extent... mismatches) {
        return new BackupReport(
                new SessionId("0".repeat(32)),
                new VmId("demo"),
                3,
                null,
                List.of(new BackupReport.Disk(
                        new DiskId(disk),
                        1 << 20,
                        DiskPlan.SCAN,
                        "AUDIT_MISMATCH",
                        0,
                        0,
                        0,
                        Trust.PROVEN,
                        new BackupReport.Audit(1, 1 << 20, 1 << 20, List.of(mismatches)))),
                0,
                List.of(),
                Duration.ZERO);
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

    @Test
    void agesAddUp() throws IOException {
        DISK.create(directory, () -> {});

        DISK.change(directory, 1, () -> {});
        DISK.change(directory, 2, () -> {});

        assertThat(DISK.mismatch(directory, 2, () -> {})).isEqualTo(-1);
        assertThat(DISK.mismatch(directory, 1, () -> {}))
                .isBetween(
                        DISK.differences(1, 2).get(0).offset(),
                        DISK.differences(1, 2).get(0).end());
    }

    @Test
    void itIsKnownWhatDiffers() throws IOException {
        DISK.create(directory, () -> {});
        byte[] before = Files.readAllBytes(directory.resolve(DISK.name()));
        DISK.change(directory, 1, () -> {});
        byte[] after = Files.readAllBytes(directory.resolve(DISK.name()));

        List<Extent> differences = DISK.differences(0, 1);

        assertThat(differences).isNotEmpty();
        for (Extent extent : differences) {
            System.arraycopy(after, (int) extent.offset(), before, (int) extent.offset(), (int) extent.length());
        }
        assertThat(before).isEqualTo(after);
        assertThat(DISK.differences(1, 1)).isEmpty();
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
