package io.genievm.example.cli;

import io.genievm.core.GenieVm;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Where the process begins and ends. */
public final class Main {
    private Main() {}

    /**
     * Runs one command and ends the process with its exit status.
     *
     * @param arguments the command line
     */
    public static void main(String... arguments) {
        Cli cli = new Cli(new Environment(
                stream(FileDescriptor.out),
                stream(FileDescriptor.err),
                Terminal.widthOfStandardError(),
                System.getenv("GENIEVM_DEBUG") != null,
                GenieVm::open,
                Runtime.getRuntime()::halt));
        Signals.listen(cli::onSignal);
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> cli.tell(thrown));
        System.exit(cli.run(arguments));
    }

    /** UTF-8 whatever the locale: programs read it, too. */
    private static PrintStream stream(FileDescriptor descriptor) {
        return new PrintStream(new FileOutputStream(descriptor), false, StandardCharsets.UTF_8);
    }
}
