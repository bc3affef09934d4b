package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HardwareTest {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir
    private Path folder;

    @Test
    void theDefinitionAlone() {
        assertThat(Hardware.of("vm", "<domain/>", Optional.empty())).isEqualTo(Map.of("domain.xml", "<domain/>"));
    }

    @Test
    void firmwareVariablesThereAndBack() throws IOException {
        byte[] variables = new byte[64 * MEBIBYTE];
        System.arraycopy(Steps.random(1, 1000), 0, variables, 5000, 1000);
        Path file = Files.write(folder.resolve("vars.fd"), variables);

        Map<String, String> documents = Hardware.of("vm", "<domain/>", Optional.of(file));
        ByteArrayOutputStream back = new ByteArrayOutputStream();

        assertThat(Hardware.unpackNvram(documents, back)).isTrue();
        assertThat(back.toByteArray()).isEqualTo(variables);
        assertThat(Hardware.of("vm", "<domain/>", Optional.of(file))).isEqualTo(documents);
    }

    @Test
    void firmwareVariablesThatAreNotThereYet() throws IOException {
        Map<String, String> documents = Hardware.of("vm", "<domain/>", Optional.of(folder.resolve("none")));

        assertThat(documents).containsOnlyKeys("domain.xml");
        assertThat(Hardware.unpackNvram(documents, new ByteArrayOutputStream())).isFalse();
    }

    @Test
    void asMuchAsThereMayBe() throws IOException {
        Path file = Files.write(folder.resolve("vars.fd"), Steps.random(1, 700_000));
        int packed = Objects.requireNonNull(
                        Hardware.of("vm", "", Optional.of(file)).get("nvram.gz"))
                .length();
        String xml = "x".repeat(MEBIBYTE - "domain.xml".length() - "nvram.gz".length() - packed);

        assertThat(Hardware.of("vm", xml, Optional.of(file))).hasSize(2);
        fails(ErrorCode.LIMIT_EXCEEDED, "vars.fd", () -> Hardware.of("vm", xml + "xxxx", Optional.of(file)));
        fails(ErrorCode.LIMIT_EXCEEDED, "'vm'", () -> Hardware.of("vm", "x".repeat(MEBIBYTE), Optional.empty()));
        // Two bytes each in UTF-8.
        fails(
                ErrorCode.LIMIT_EXCEEDED,
                "its definition",
                () -> Hardware.of("vm", "\u00e4".repeat(MEBIBYTE / 2), Optional.empty()));
    }

    @Test
    void firmwareVariablesThatCanNotBeRead() {
        fails(ErrorCode.IO_ERROR, folder.toString(), () -> Hardware.of("vm", "<domain/>", Optional.of(folder)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "?", "AAAA", "H4sIAAAAAAAA"})
    void whatIsNoDocumentOfFirmwareVariables(String text) {
        fails(
                ErrorCode.IO_ERROR,
                "nvram.gz",
                () -> Hardware.unpackNvram(Map.of("nvram.gz", text), new ByteArrayOutputStream()));
    }

    @Test
    void whatWouldFillTheDisk() throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            byte[] zeroes = new byte[MEBIBYTE];
            for (int i = 0; i < 257; i++) {
                out.write(zeroes);
            }
        }
        String text = Base64.getEncoder().encodeToString(packed.toByteArray());

        fails(
                ErrorCode.IO_ERROR,
                "nvram.gz",
                () -> Hardware.unpackNvram(Map.of("nvram.gz", text), OutputStream.nullOutputStream()));
    }

    private static void fails(ErrorCode code, String words, ThrowingCallable call) {
        Throwable failure = catchThrowable(call);
        assertThat(failure).isInstanceOf(GenieVmException.class).hasMessageContaining(words);
        assertThat(((GenieVmException) failure).code()).isEqualTo(code);
    }
}
