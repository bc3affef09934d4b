package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TableTest {
    @Test
    void wordsStandToTheLeftAndFiguresToTheRight() {
        Table table = new Table().words("DISK").figures("CAPACITY").words("PLAN");
        table.row("root.raw", "2.0 GiB", "ALL").row("a", "512 B", "CHANGED");

        assertThat(table).hasToString("""
                        DISK      CAPACITY  PLAN
                        root.raw   2.0 GiB  ALL
                        a            512 B  CHANGED
                        """);
    }

    @Test
    void aTableWithoutRowsHasItsTitles() {
        assertThat(new Table().words("VM").figures("SIZE")).hasToString("VM  SIZE\n");
    }

    @Test
    void aRowHasACellForEachColumn() {
        Table table = new Table().words("VM");

        assertThatThrownBy(() -> table.row("a", "b")).isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0 B",
        "1023, 1023 B",
        "1024, 1.0 KiB",
        "1536, 1.5 KiB",
        "1048524, 1023.9 KiB",
        "1048575, 1.0 MiB",
        "4398046511104, 4.0 TiB",
        "9223372036854775807, 8.0 EiB"
    })
    void bytesAreShownInTheUnitThatFits(long bytes, String shown) {
        assertThat(Units.bytes(bytes)).isEqualTo(shown);
    }

    @ParameterizedTest
    @CsvSource({"40, 0.0 s", "1260, 1.3 s", "59949, 59.9 s", "59999, 60.0 s", "61000, 1:01", "3723000, 1:02:03"})
    void timesAreShownAsPeopleSayThem(long milliseconds, String shown) {
        assertThat(Units.seconds(Duration.ofMillis(milliseconds))).isEqualTo(shown);
    }
}
