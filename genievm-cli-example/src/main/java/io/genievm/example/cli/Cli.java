package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/** Runs one command: reads the arguments, lets the command do its work, prints what it has to say. */
final class Cli {
    private static final Duration GRACE = Duration.ofSeconds(5);

    private final Environment environment;
    private final Interruption interruption = new Interruption(GRACE, this::complain, this::end);
    private final Console console;
    private final AtomicBoolean answered = new AtomicBoolean();
    private volatile boolean json;

    Cli(Environment environment) {
        this.environment = environment;
        this.console = new Console(environment.error(), environment.width(), System::nanoTime, interruption);
    }

    /**
     * Gives the exit status. To be called once.
     *
     * @param listening is opened when signals are listened to, before which nothing is done that a signal may have to break off
     */
    int run(CountDownLatch listening, String... arguments) {
        json = wantsJson(arguments);
        try {
            Outcome outcome = perform(listening, arguments);
            outcome.notes().forEach(this::complain);
            return answer(outcome.answer(), outcome.status());
        } catch (Throwable thrown) {
            return fail(thrown);
        }
    }

    /** Is called by a thread of its own for every signal. */
    void onSignal(int number) {
        interruption.onSignal(number);
    }

    /** Looks before parsing, as a command line that can not be parsed is answered in JSON as well. */
    private static boolean wantsJson(String... arguments) {
        return Arrays.stream(arguments)
                .takeWhile(argument -> !argument.equals("--"))
                .anyMatch("--json"::equals);
    }

    private Outcome perform(CountDownLatch listening, String... arguments) throws Exception {
        CommandLine root =
                RootCommand.commandLine(new Context(environment.genie(), console, interruption, json), arguments);
        StringWriter help = new StringWriter();
        root.setOut(new PrintWriter(help));
        ParseResult parsed = root.parseArgs(arguments);
        if (CommandLine.executeHelpRequest(parsed) != null) {
            return Outcome.done(Json.help(help.toString()), help.toString());
        }
        List<CommandLine> commands = parsed.asCommandLineList();
        if (commands.get(commands.size() - 1).getCommand() instanceof Action action) {
            listening.await();
            return action.perform();
        }
        throw new ParameterException(
                root,
                "no command given; there are "
                        + String.join(", ", root.getSubcommands().keySet()));
    }

    private int fail(Throwable thrown) {
        Failure failure = Failure.of(thrown);
        int signal = interruption.signal();
        // Of an interruption a person has been told when it began.
        if (signal == 0 || !failure.code().equals(ErrorCode.CANCELLED)) {
            tell(thrown);
        }
        return answer(
                Answer.of(Json.error(failure), ""),
                signal == 0 ? ExitStatus.of(failure.code()) : ExitStatus.ofSignal(signal));
    }

    /** Tells a person what went wrong, and where in the program only if that was asked for. */
    void tell(Throwable thrown) {
        if (environment.debug()) {
            thrown.printStackTrace(environment.error());
        }
        Failure failure = Failure.of(thrown);
        complain(failure.message());
        failure.damage().forEach(damage -> complain(Text.line(damage)));
    }

    private void end(int status) {
        try {
            Failure failure = new Failure(ErrorCode.CANCELLED, null, "interrupted", List.of());
            answer(Answer.of(Json.error(failure), ""), status);
        } finally {
            environment.halt().accept(status);
        }
    }

    private void complain(String text) {
        console.line("genievm: " + text);
    }

    /** Prints the one answer; whoever comes second is not heard. Gives the exit status. */
    private int answer(Answer answer, int status) {
        if (answered.compareAndSet(false, true)) {
            answer.print(json, environment.output());
            // Flushes as well.
            if (environment.output().checkError()) {
                complain("can not write to standard output");
                return status == ExitStatus.DONE ? ExitStatus.FAILED : status;
            }
        }
        return status;
    }
}
