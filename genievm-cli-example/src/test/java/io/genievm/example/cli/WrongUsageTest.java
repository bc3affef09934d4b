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
                Arguments.of(BACKUP + " --audit half", "none, sample, full"),
                Arguments.of(BACKUP + " --audit FULL", "none, sample, full"),
                Arguments.of(BACKUP + " --audit", "'--audit'"),
                Arguments.of(BACKUP + " --audit-share 0", "0.000001 to 1"),
                Arguments.of(BACKUP + " --audit-share 0.0000009", "0.000001 to 1"),
                Arguments.of(BACKUP + " --audit-share 1.01", "0.000001 to 1"),
                Arguments.of(BACKUP + " --audit-share 2/1", "0.000001 to 1"),
                Arguments.of(BACKUP + " --audit-share 1/1000001", "1/64"),
                Arguments.of(BACKUP + " --audit-share 1/0", "1/64"),
                Arguments.of(BACKUP + " --audit-share 1/-64", "1/64"),
                Arguments.of(BACKUP + " --audit-share=-0.5", "1/64"),
                Arguments.of(BACKUP + " --audit-share 5%", "'5%'"),
                Arguments.of(BACKUP + " --audit-share 0,05", "'0,05'"),
                Arguments.of(BACKUP + " --audit-share 1e-3", "'1e-3'"),
                Arguments.of(BACKUP + " --audit-share NaN", "'NaN'"),
                Arguments.of(BACKUP + " --audit-share 0.5/2", "'0.5/2'"),
                Arguments.of(BACKUP + " --audit-share=", "1/64"),
                Arguments.of(BACKUP + " --audit none --audit-share 0.1", "no effect with --audit none"),
                Arguments.of(BACKUP + " --audit full --audit-share 0.1", "no effect with --audit full"),
                Arguments.of(BACKUP + " --full --audit sample", "--full reads everything"),
                Arguments.of(BACKUP + " --full --audit full", "--full reads everything"),
                Arguments.of(BACKUP + " --audit none --full", "--full reads everything"),
                Arguments.of(BACKUP + " --full --audit-share 0.1", "--full reads everything"),
                Arguments.of(BACKUP + " --quiesce disks", "none, filesystem, application"),
                Arguments.of(BACKUP + " --quiesce FILESYSTEM", "none, filesystem, application"),
                Arguments.of(BACKUP + " --stric", "'--stric'"),
                Arguments.of(BACKUP + " --strict=maybe", "'--strict'"),
                Arguments.of(RESTORE, "--to=DIR"),
                Arguments.of(RESTORE + " --to a --host images:b", "mutually exclusive"),
                Arguments.of(RESTORE + " --name n", "--host=H"),
                Arguments.of(RESTORE + " --over n", "--host=H"),
                Arguments.of(RESTORE + " --set a=b", "--host=H"),
                Arguments.of(RESTORE + " --to a --over n", "--host=H"),
                Arguments.of(RESTORE + " --host images:b --over a/b", "VM id"),
                Arguments.of(RESTORE + " --host images:b --over n --name m", "--over or --name"),
                Arguments.of(RESTORE + " --host images:b --over n --set a=b", "--over or --set"),
                Arguments.of(RESTORE + " --host images:b --set a=b --set a=c", "--set a"),
                Arguments.of(RESTORE + " --host images:b --set a", "NAME=VALUE"),
                Arguments.of(RESTORE + " --host images:b --set =a", "NAME=VALUE"),
                Arguments.of(RESTORE + " --to=", "folder"),
                Arguments.of(RESTORE + " --to a --point 0123456", "8 or more"),
                Arguments.of(RESTORE + " --to a --point 0123456X", "hexadecimal"),
                Arguments.of(RESTORE + " --to a --point " + "0".repeat(33), "hexadecimal"),
                Arguments.of(RESTORE + " --to a --point newest", "hexadecimal"),
                Arguments.of("verify --repo y --point latest", "hexadecimal"),
                Arguments.of("diff --repo y", "'--point=ID'"),
                Arguments.of("diff --repo y --point 01234567", "twice"),
                Arguments.of("diff --repo y --point 01234567 --point 89abcdef --point 00000000", "3 times"),
                Arguments.of("diff --repo y --point 01234567 89abcdef", "'89abcdef'"),
                Arguments.of("diff --repo y --point 01234567 --point latest", "hexadecimal"),
                Arguments.of("diff --point 01234567 --point 89abcdef", "'--repo=URL'"),
                Arguments.of("delete --repo y", "'--point=ID'"),
                Arguments.of("delete --point 01234567", "'--repo=URL'"),
                Arguments.of("delete --repo y --point 0123456", "8 or more"),
                Arguments.of("delete --repo y --point latest", "hexadecimal"),
                Arguments.of("delete --repo y --point 01234567 --point 89abcdef", "'--point'"),
                Arguments.of("delete --repo y --point 01234567,89abcdef", "hexadecimal"),
                Arguments.of("gc --repo y", "'gc'"));
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
        for (String command :
                List.of("", "init ", "vms ", "backup ", "list ", "restore ", "verify ", "diff ", "delete ", "demo ")) {
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
