package io.genievm.kvm.internal.libvirt;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.libvirt.LibvirtDomain.BackupProblem;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What libvirt's numbers and words mean; the words are those of libvirt 9.0 and QEMU 7.2. */
class LibvirtErrorTest {
    private static final String BACKUP = BackupXml.backup(
            Path.of("/s"),
            List.of(
                    new BackupXml.BackupDisk("vda", Path.of("/a"), "cp5", "b"),
                    new BackupXml.BackupDisk("vdb", Path.of("/b"), null, "b")),
            List.of());
    private static final String CHECKPOINT =
            BackupXml.checkpoint("cp6", "", null, List.of("vda", "vdb"), List.of("vdc"));

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    42  | 0   | NOT_FOUND          | Domain not found: no domain with matching name 'x'
                    103 | 0   | NOT_FOUND          | Domain checkpoint not found
                    104 | 0   | NOT_FOUND          | Domain backup job id not found: no domain backup job present
                    68  | 0   | BUSY               | Timed out during operation: cannot acquire state change lock
                    87  | 0   | BUSY               | resource busy
                    88  | 0   | ACCESS_DENIED      | access denied
                    94  | 0   | ACCESS_DENIED      | authentication unavailable: no polkit agent available
                    38  | 13  | ACCESS_DENIED      | Failed to connect socket to '/x': Permission denied
                    38  | 2   | NOT_FOUND          | Failed to connect socket to '/x': No such file or directory
                    38  | 111 | TRANSIENT_IO_ERROR | Failed to connect socket to '/x': Connection refused
                    38  | 32  | TRANSIENT_IO_ERROR | Cannot write data: Broken pipe
                    38  | 28  | NO_SPACE           | cannot write
                    38  | 5   | IO_ERROR           | cannot read
                    9   | 28  | IO_ERROR           | operation failed: it is not a number of the system's
                    9   | 0   | NO_SPACE           | failed to format image: 'Could not write qcow2 header: No space left on device'
                    1   | 0   | ALREADY_EXISTS     | unable to execute QEMU command 'transaction': Bitmap already exists: cp1
                    1   | 0   | BUSY               | process exited while connecting: Failed to get "write" lock
                    1   | 0   | IO_ERROR           | internal error: bitmap 'cp5' not found in backing chain of 'vda'
                    55  | 0   | IO_ERROR           | Requested operation is not valid: domain is not running
                    84  | 0   | UNSUPPORTED        | Operation not supported: cannot perform disk backup for inactive domain
                    27  | 0   | INVALID_ARGUMENT   | XML error: an os <type> must be specified
                    86  | 0   | TRANSIENT_IO_ERROR | Guest agent is not responding: QEMU guest agent is not connected
                    4711| 0   | IO_ERROR           | of the future
                    -1  | 0   | IO_ERROR           | of nobody
                    """)
    void numbersAndWords(int number, int errno, String code, String message) {
        assertThat(new LibvirtError(number, message, errno).toException(Resource.named("web")))
                .hasMessage(message)
                .satisfies(e -> assertThat(e.code()).hasToString(code))
                .satisfies(e -> assertThat(e.resource()).isEqualTo(Resource.named("web")));
    }

    @Test
    void messagesAreOneLineOfBearableLength() {
        assertThat(new LibvirtError(1, "a\nb\u0000c\n", 0).message()).isEqualTo("a b c");
        assertThat(new LibvirtError(1, "x".repeat(100_000), 0).message()).hasSize(2_000);
        assertThat(LibvirtError.read(null).code()).isEqualTo(ErrorCode.IO_ERROR);
    }

    private static @Nullable BackupRefusedException refusal(int number, String words, @Nullable String checkpoint) {
        return LibvirtDomain.refusal("web", new LibvirtError(number, words, 0), BACKUP, checkpoint);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
                    109 | checkpoint inconsistent: missing or broken bitmap 'cp5' for disk 'vda'            | vda
                    109 | Prüfpunkt inkonsistent: fehlende oder defekte Bitmap »cp5« für Datenträger »vdb« | vdb
                    109 | checkpoint inconsistent                                                           | -
                    109 | disk vda or disk vdb                                                              | -
                    103 | Checkpoint 'cp5' for incremental backup of disk 'vda' not found                   | vda
                    103 | Checkpoint for vdaa not found                                                     | -
                    """)
    void checkpointsThatCanNotBeUsed(int number, String words, @Nullable String disk) {
        assertThat(refusal(number, words, CHECKPOINT)).satisfies(e -> {
            assertThat(e.problem()).isEqualTo(BackupProblem.CHECKPOINT_UNUSABLE);
            assertThat(e.disk()).isEqualTo(disk);
            assertThat(e).hasMessage(words);
        });
    }

    @Test
    void disksThatCanNotHaveACheckpoint() {
        String words = "unsupported configuration: checkpoint for disk vdb unsupported for storage type raw";
        assertThat(refusal(67, words, CHECKPOINT)).satisfies(e -> {
            assertThat(e.problem()).isEqualTo(BackupProblem.CHECKPOINT_UNSUPPORTED);
            assertThat(e.disk()).isEqualTo("vdb");
        });
        assertThat(refusal(67, "nicht unterstützt: Checkpoint für Platte vdb", CHECKPOINT))
                .satisfies(e -> assertThat(e.disk()).isEqualTo("vdb"));
        assertThat(refusal(67, words, null)).isNull();
        assertThat(refusal(67, "unsupported configuration: something else", CHECKPOINT))
                .isNull();
        assertThat(refusal(9, words, CHECKPOINT)).isNull();
    }
}
