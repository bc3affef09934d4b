package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.core.BackupRequest;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is refused is in {@link WrongUsageTest}. */
class AuditShareTest {
    @ParameterizedTest
    @CsvSource({
        "0.05, 0.05",
        ".5, 0.5",
        "1, 1",
        "1.0, 1",
        "0.000001, 0.000001",
        "1/64, 0.015625",
        "1/1000000, 0.000001",
        "3/4, 0.75",
        "64/64, 1",
        "00000000000000000001/2, 0.5"
    })
    void decimalsAndFractionsAreUnderstood(String text, double share) {
        assertThat(AuditShare.parse(text).value()).isEqualTo(share);
    }

    @ParameterizedTest
    @CsvSource({"1/64", "0.015625"})
    void theShareThatIsTakenUnlessToldOtherwiseCanBeGiven(String text) {
        assertThat(AuditShare.parse(text).value()).isEqualTo(BackupRequest.DEFAULT_AUDIT_SHARE);
    }
}
