package io.genievm.example.cli;

import io.genievm.core.GenieVm;
import java.util.function.Supplier;

/**
 * What commands work with.
 *
 * @param genie opens the SDK
 * @param console shows progress while a task runs
 * @param interruption what a signal does
 */
record Context(Supplier<GenieVm> genie, Console console, Interruption interruption) {}
