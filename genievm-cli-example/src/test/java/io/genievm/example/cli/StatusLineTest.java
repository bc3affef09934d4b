package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class StatusLineTest {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final StatusLine line = new StatusLine(new PrintStream(bytes, false, StandardCharsets.UTF_8));

    @Test
    void aStatusCoversTheOneBefore() {
        line.status("copying");
        line.status("done");

        assertThat(bytes).hasToString("\rcopying\rdone   ");
    }

    @Test
    void aLineTakesTheStatusAway() {
        line.status("copying");
        line.line("genievm: no space left");
        line.line("genievm: again");

        assertThat(bytes).hasToString("\rcopying\r       \rgenievm: no space left\ngenievm: again\n");
    }

    @Test
    void aTextOfSeveralLinesBecomesOneAndCommandsNoTerminal() {
        line.line("no\n  such\r\nVM '\u001b[2Jweb\u0007'");

        assertThat(bytes).hasToString("no such VM '?[2Jweb?'\n");
    }
}
