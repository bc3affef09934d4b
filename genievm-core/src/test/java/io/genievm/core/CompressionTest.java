package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.LyingCompressor;
import io.genievm.core.internal.format.LyingCompressor.Lie;
import io.genievm.core.testing.Lab;
import java.util.Arrays;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A codec that errs, with and without somebody who looks. */
class CompressionTest {
    private static final VmId WEB = new VmId("web");
    private static final int SEGMENT = Lab.SMALL.segmentSize();
    private static final int DISK = 6 * SEGMENT;

    @ParameterizedTest
    @CsvSource({
        "lz4, OTHER_CONTENT",
        "lz4, LESS",
        "lz4, GARBAGE",
        "zstd:1, OTHER_CONTENT",
        "zstd:1, LESS",
        "zstd:1, GARBAGE"
    })
    @DisplayName("what a codec would spoil is stored raw, with a warning that names disk and offset")
    void storedRaw(String codec, Lie lie) {
        try (Lab lab = lab(call -> call == 8 ? lie.ordinal() : 0)) {
            BackupReport report = lab.backup(request(codec).build());

            lab.assertRestores(report.point());
            lab.assertWhole();
            assertThat(report.warnings()).singleElement().satisfies(warning -> {
                assertThat(warning.code()).isEqualTo("COMPRESSION_FAILED");
                assertThat(warning.disk()).isEqualTo(new DiskId("second"));
                assertThat(warning.message()).contains("byte " + 2 * SEGMENT);
            });
            // One of twelve segments that shrink to almost nothing.
            assertThat(report.storedBytes()).isBetween((long) SEGMENT, 2L * SEGMENT);
        }
    }

    @Test
    @DisplayName("a codec that always errs makes a point that is right, and one warning for each disk")
    void always() {
        try (Lab lab = lab(call -> Lie.OTHER_CONTENT.ordinal())) {
            BackupReport report = lab.backup(request("zstd:1").build());

            lab.assertRestores(report.point());
            assertThat(report.warnings()).extracting(Warning::code).containsOnly("COMPRESSION_FAILED");
            assertThat(report.warnings()).hasSize(2);
            assertThat(report.storedBytes()).isGreaterThan(2L * DISK);
        }
    }

    @Test
    @DisplayName("a codec that does not err is not suspected")
    void never() {
        try (Lab lab = lab(call -> 0)) {
            BackupReport checked = lab.backup(request("zstd:1").build());
            assertThat(checked.warnings()).isEmpty();
            assertThat(checked.storedBytes()).isLessThan(SEGMENT);
        }
    }

    @Test
    @DisplayName("without a check the point is damaged, and verify says so")
    void unchecked() {
        try (Lab lab = lab(call -> call == 8 ? Lie.OTHER_CONTENT.ordinal() : 0)) {
            BackupReport report =
                    lab.backup(request("zstd:1").checkCompression(false).build());

            assertThat(report.warnings()).isEmpty();
            assertThat(lab.verify().damage()).isNotEmpty();
            Map<DiskId, byte[]> whole = lab.restore(report.point()).whole();
            assertThat(whole).doesNotContainKey(new DiskId("second"));
        }
    }

    /** Two disks of six segments, whose chunks differ and shrink well. */
    private static Lab lab(IntUnaryOperator lies) {
        Lab lab = new Lab(
                Lab.SMALL, 1, builder -> builder.compressors(codec -> new LyingCompressor(Compressor.of(codec), lies)));
        lab.hypervisor().addVm("web").addDisk("first", content(1));
        lab.hypervisor().vm("web").addDisk("second", content(100));
        return lab;
    }

    private static byte[] content(int first) {
        byte[] bytes = new byte[DISK];
        int chunk = Lab.SMALL.chunkSize();
        for (int at = 0; at < DISK; at += chunk) {
            Arrays.fill(bytes, at, at + chunk, (byte) (first + at / chunk));
        }
        return bytes;
    }

    private static BackupRequest.Builder request(String codec) {
        return BackupRequest.builder(WEB).codec(Codec.parse(codec));
    }
}
