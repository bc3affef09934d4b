package io.genievm.example.cli;

import java.io.PrintStream;

/**
 * Lines on standard error, of which the last may be a status that is drawn over in place. Safe for use by several
 * threads.
 */
final class StatusLine {
    private final PrintStream stream;
    private int shown;

    StatusLine(PrintStream stream) {
        this.stream = stream;
    }

    /** Draws the status anew, over the last one. */
    synchronized void status(String text) {
        stream.print('\r' + text + " ".repeat(Math.max(0, shown - text.length())));
        stream.flush();
        shown = text.length();
    }

    /** Takes the status away. */
    synchronized void clear() {
        if (shown > 0) {
            stream.print('\r' + " ".repeat(shown) + '\r');
            stream.flush();
            shown = 0;
        }
    }

    /** Writes a line that stays. It is one line whatever the text holds, and commands no terminal. */
    synchronized void line(String text) {
        clear();
        stream.println(text.replaceAll("\\R\\s*", " ").replaceAll("\\p{Cntrl}", "?"));
        stream.flush();
    }
}
