package io.genievm.example.cli;

import io.genievm.core.GenieVm;
import java.util.function.Supplier;

/**
 * What commands work with.
 *
 * @param genie opens the SDK
 * @param console shows progress while a task runs
 * @param interruption what a signal does
 * @param json whether the answer will be printed as a document; only for those that make it while they work
 */
record Context(Supplier<GenieVm> genie, Console console, Interruption interruption, boolean json) {}
