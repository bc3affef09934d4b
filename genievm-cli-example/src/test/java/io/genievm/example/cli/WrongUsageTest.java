package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Command lines that are wrong by themselves: found before anything is opened. */
class WrongUsageTest {
    private static final String BACKUP = "backup --host images:x --vm web --repo y";
    private static final String RESTORE = "restore --repo y --vm web";

    static Stream<Arguments> wrong() {
        return Stream.of(
                Arguments.of("", "no command given"),
                Arguments.of("frobnicate", "'frobnicate'"),
                Arguments.of("--frobnicate", "'--frobnicate'"),
                Arguments.of("init", "'--repo=URL'"),
                Arguments.of("init --repo", "'--repo'"),
                Arguments.of("init --repo y --repo z", "'--repo'"),
                Arguments.of("init --repo y z", "'z'"),
                Arguments.of("init --repo=", "address"),
                Arguments.of("vms", "'--host=H'"),
                Arguments.of("vms --host nowhere", "<scheme>:<rest>"),
                Arguments.of("backup --host images:x --repo y", "'--vm=V'"),
                Arguments.of("backup --host images:x --repo y --vm a/b", "VM id"),
                Arguments.of("backup --host images:x --repo y --vm=", "VM id"),
                Arguments.of(BACKUP + " --codec gzip", "unknown codec 'gzip'"),
                Arguments.of(BACKUP + " --codec zstd:23", "-7 to 22"),
                Arguments.of(BACKUP + " --codec zstd:0", "-7 to 22"),
                Arguments.of(BACKUP + " --exclude-disk ..", "disk id"),
                Arguments.of(BACKUP + " --audit full", "'--audit'"),
                Arguments.of(BACKUP + " --stric", "'--stric'"),
                Arguments.of(BACKUP + " --strict=maybe", "'--strict'"),
                Arguments.of(RESTORE, "--to=DIR"),
                Arguments.of(RESTORE + " --to a --host images:b", "mutually exclusive"),
                Arguments.of(RESTORE + " --name n", "--host=H"),
                Arguments.of(RESTORE + " --to=", "folder"),
                Arguments.of(RESTORE + " --to a --point 0123456", "8 or more"),
                Arguments.of(RESTORE + " --to a --point 0123456X", "hexadecimal"),
                Arguments.of(RESTORE + " --to a --point " + "0".repeat(33), "hexadecimal"),
                Arguments.of(RESTORE + " --to a --point newest", "hexadecimal"),
                Arguments.of("verify --repo y --point latest", "hexadecimal"),
                Arguments.of("diff --repo y", "'diff'"));
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void isRefusedWithOneLineThatNamesWhatIsWrongAndWhereHelpIs(String line, String named) {
        Run run = Run.of(words(line)).failsWith(ExitStatus.WRONG_USAGE, named, "--help");

        assertThat(run.output()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("wrong")
    void isAnsweredInJsonAsWell(String line, String named) {
        for (String both : List.of(line + " --json", "--json " + line)) {
            Run run = Run.of(words(both)).failsWith(ExitStatus.WRONG_USAGE, named);

            assertThat(run.json().at("/error/code").textValue()).isEqualTo("INVALID_ARGUMENT");
            assertThat(run.json().at("/error/category").textValue()).isEqualTo("USER");
            assertThat(run.json().at("/error/message").textValue()).isNotBlank();
            assertThat(run.json().at("/error/resource").isNull()).isTrue();
            assertThat(run.json().at("/error/retryable").booleanValue()).isFalse();
        }
    }

    @Test
    void helpIsNoFailure() {
        for (String command : List.of("", "init ", "vms ", "backup ", "list ", "restore ", "verify ", "demo ")) {
            Run run = Run.of(words(command + "--help")).succeeds();

            assertThat(run.output()).startsWith("Usage: genievm " + command).contains("--json");
            assertThat(run.error()).isEmpty();
            assertThat(Run.of(words(command + "--json --help"))
                            .succeeds()
                            .json()
                            .has("help"))
                    .isTrue();
        }
        assertThat(Run.of("--version").succeeds().output()).startsWith("genievm ");
    }

    private static String[] words(String line) {
        return Stream.of(line.split(" ")).filter(word -> !word.isEmpty()).toArray(String[]::new);
    }
}
