package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class DiffCommandTest {
    private static final SessionId FROM = new SessionId("0".repeat(32));
    private static final SessionId TO = new SessionId("1".repeat(32));

    @Test
    void eachDiskHasItsRangesAndTheirSum() {
        assertThat(text(
                        new SampleDiff.Disk(
                                "data.raw",
                                83_898_425L,
                                83_898_425L,
                                new Extent(65536, 131072),
                                new Extent(83886080, 12345)),
                        new SampleDiff.Disk("new.raw", null, 4096L, new Extent(0, 4096)),
                        new SampleDiff.Disk("old.raw", 4096L, null),
                        new SampleDiff.Disk("root.raw", 1L << 30, 2L << 30)))
                .isEqualTo("""
                        data.raw, 80.0 MiB
                            OFFSET    LENGTH
                             65536    131072
                          83886080     12345
                          2 ranges, 140.1 KiB
                        new.raw, added, 4.0 KiB
                          OFFSET  LENGTH
                               0    4096
                          1 range, 4.0 KiB
                        old.raw, removed, 4.0 KiB
                          no difference
                        root.raw, 2.0 GiB, was 1.0 GiB
                          no difference
                        total: 4 disks, 3 ranges, 144.1 KiB
                        """);
    }

    @Test
    void pointsWithoutDisksDoNotDiffer() {
        assertThat(text()).isEqualTo("total: 0 disks, no difference\n");
    }

    @Test
    void itCanBeBrokenOffAtEachRange() {
        SampleDiff diff = new SampleDiff(FROM, TO, new SampleDiff.Disk("a", 9L, 9L, new Extent(0, 9)));
        Runnable stop = () -> {
            throw new IllegalStateException("enough");
        };
        OutputStream nowhere = OutputStream.nullOutputStream();

        assertThatThrownBy(() -> DiffCommand.text(diff, new PrintStream(nowhere), stop))
                .hasMessage("enough");
        assertThatThrownBy(() -> Json.diff(diff, nowhere, stop)).hasMessage("enough");
    }

    private static String text(SampleDiff.Disk... disks) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream lines = new PrintStream(bytes, false, StandardCharsets.UTF_8);
        DiffCommand.text(new SampleDiff(FROM, TO, disks), lines, () -> {});
        lines.flush();
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
