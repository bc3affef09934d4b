package io.genievm.kvm.internal.restore;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CreationOptionsTest {
    @TempDir
    private Path folder;

    @Test
    void whatIsMeantWhenNothingIsSaid() {
        assertThat(CreationOptions.of(Map.of("folder", folder.toString())))
                .isEqualTo(new CreationOptions(folder, "qcow2", true, null, false));
    }

    @Test
    void whatCanBeSaid() {
        assertThat(CreationOptions.of(Map.of(
                        "folder",
                        folder + "/",
                        "format",
                        "raw",
                        "thin",
                        "false",
                        "type",
                        "kvm",
                        "host-access",
                        "keep")))
                .isEqualTo(new CreationOptions(folder, "raw", false, "kvm", true));
    }

    @Test
    void whatIsRefusedByNameWithWhatIsAllowed() throws IOException {
        refused(Map.of("Folder", "/"), "'Folder'", "folder, format, host-access, thin, type");
        refused(Map.of("format", "vmdk"), "'format'", "qcow2, raw", "'vmdk'");
        refused(Map.of("thin", "yes"), "'thin'", "false, true", "'yes'");
        refused(Map.of("type", ""), "'type'", "kvm, qemu");
        refused(Map.of("host-access", "true"), "'host-access'", "keep, refuse", "'true'");
        Path file = Files.createFile(folder.resolve("file"));
        for (String path :
                new String[] {"", ".", "relative", folder + "/none", file.toString(), "/a\0b", folder + "\n"}) {
            refused(Map.of("folder", path), "'folder'", "absolute");
        }
    }

    private static void refused(Map<String, String> options, String... words) {
        assertThat(Steps.fails(ErrorCode.INVALID_ARGUMENT, () -> CreationOptions.of(options)))
                .hasMessageContainingAll(words);
    }
}
