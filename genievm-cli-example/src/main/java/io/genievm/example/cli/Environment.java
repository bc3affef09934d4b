package io.genievm.example.cli;

import io.genievm.core.GenieVm;
import java.io.PrintStream;
import java.util.OptionalInt;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * What the command line runs in: a process, or a test.
 *
 * @param output standard output
 * @param error standard error
 * @param width the columns of standard error, or nothing when it is no terminal
 * @param debug whether failures show where in the program they happened
 * @param genie opens the SDK
 * @param halt ends the process at once with an exit status
 */
record Environment(
        PrintStream output,
        PrintStream error,
        OptionalInt width,
        boolean debug,
        Supplier<GenieVm> genie,
        IntConsumer halt) {}
