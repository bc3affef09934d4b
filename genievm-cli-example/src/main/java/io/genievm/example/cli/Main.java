package io.genievm.example.cli;

import io.genievm.api.VmId;
import io.genievm.core.GenieVm;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CountDownLatch;

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
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> cli.tell(thrown));
        CountDownLatch listening = new CountDownLatch(1);
        Thread preparation = new Thread(() -> prepare(cli, listening), "preparation");
        preparation.setDaemon(true);
        preparation.start();
        System.exit(cli.run(listening, arguments));
    }

    /** While another thread reads the command line: what every command needs, and what takes as long as that. */
    private static void prepare(Cli cli, CountDownLatch listening) {
        try {
            Signals.listen(cli::onSignal);
        } finally {
            listening.countDown();
        }
        try {
            Json.prepare();
            GenieVm.open().close();
            // The first comparison of two records has the JVM write code for all.
            if (new VmId("a").equals(new VmId("b"))) {
                throw new IllegalStateException("two ids are the same");
            }
        } catch (RuntimeException | LinkageError e) {
            // Whoever needs it fails as well, and tells.
            return;
        }
    }

    /** UTF-8 whatever the locale: programs read it, too. */
    private static PrintStream stream(FileDescriptor descriptor) {
        return new PrintStream(new FileOutputStream(descriptor), false, StandardCharsets.UTF_8);
    }
}
