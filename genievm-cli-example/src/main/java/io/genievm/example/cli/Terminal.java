package io.genievm.example.cli;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;

/** Finds out whether standard error is a terminal, which the JDK does not tell, and how wide it is. */
final class Terminal {
    private static final Path STANDARD_ERROR = Path.of("/proc/self/fd/2");
    private static final int USUAL_WIDTH = 80;

    private Terminal() {}

    /** Gives the number of columns, or nothing when standard error is no terminal on which a line can be drawn over. */
    static OptionalInt widthOfStandardError() {
        return isTerminal() && !"dumb".equals(System.getenv("TERM")) ? OptionalInt.of(width()) : OptionalInt.empty();
    }

    /** Where links can not be read, the JVM is asked, which says yes too often from 22 to 24. */
    @SuppressWarnings("SystemConsoleNull")
    private static boolean isTerminal() {
        try {
            String device = Files.readSymbolicLink(STANDARD_ERROR).toString();
            return device.startsWith("/dev/pts/") || device.startsWith("/dev/tty") || device.equals("/dev/console");
        } catch (IOException noProc) {
            return System.console() != null;
        }
    }

    private static int width() {
        try {
            Process stty = new ProcessBuilder("stty", "size")
                    .redirectInput(new File("/dev/tty"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (!stty.waitFor(1, TimeUnit.SECONDS)) {
                stty.destroyForcibly();
                return USUAL_WIDTH;
            }
            String[] size = new String(stty.getInputStream().readAllBytes(), StandardCharsets.US_ASCII)
                    .strip()
                    .split(" ");
            int columns = size.length == 2 ? Integer.parseInt(size[1]) : 0;
            return columns > 0 ? columns : USUAL_WIDTH;
        } catch (IOException | NumberFormatException e) {
            return USUAL_WIDTH;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return USUAL_WIDTH;
        }
    }
}
