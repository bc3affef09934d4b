package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;

class SpoolTest {
    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
    private final PrintStream output = new PrintStream(printed);

    @Test
    void whatWasWrittenIsPrinted() throws IOException {
        byte[] answer = Site.noise(1, 1_000_003);
        try (Spool spool = new Spool(() -> {})) {
            spool.stream().write(answer);
            spool.stream().flush();

            spool.print(true, output);
        }
        output.flush();
        assertThat(printed.toByteArray()).isEqualTo(answer);
    }

    @Test
    void printingCanBeBrokenOff() throws IOException {
        int[] pieces = {0};
        try (Spool spool = new Spool(() -> {
            if (pieces[0]++ == 2) {
                throw new IllegalStateException("enough");
            }
        })) {
            spool.stream().write(new byte[1_000_000]);
            spool.stream().flush();

            assertThatThrownBy(() -> spool.print(false, output)).hasMessage("enough");
        }
        assertThat(printed.size()).isLessThan(1_000_000);
    }
}
