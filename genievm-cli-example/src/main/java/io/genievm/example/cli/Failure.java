package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.core.Damage;
import io.genievm.core.DamagedPointException;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ParameterException;

/**
 * What went wrong, as it is told.
 *
 * @param resource what it is about, or {@code null} where nothing is known
 * @param damage what can not be restored; empty for every other failure
 */
record Failure(ErrorCode code, @Nullable String resource, String message, List<Damage> damage) {
    static Failure of(Throwable thrown) {
        if (thrown instanceof ParameterException wrongUsage) {
            String message = messageOf(wrongUsage).replaceFirst("^Error: ", "");
            String command = wrongUsage.getCommandLine().getCommandSpec().qualifiedName();
            return new Failure(ErrorCode.INVALID_ARGUMENT, null, message + "; see " + command + " --help", List.of());
        }
        if (thrown instanceof GenieVmException known) {
            String resource = known.resource().toString();
            return new Failure(
                    known.code(),
                    resource.isEmpty() ? null : resource,
                    messageOf(known),
                    known instanceof DamagedPointException damaged ? damaged.damage() : List.of());
        }
        if (thrown instanceof IOException) {
            return new Failure(ErrorCode.IO_ERROR, null, described(thrown), List.of());
        }
        return new Failure(ErrorCode.INTERNAL_ERROR, null, "internal error: " + described(thrown), List.of());
    }

    private static String messageOf(Throwable thrown) {
        String message = thrown.getMessage();
        return message == null ? described(thrown) : message;
    }

    /** Many exceptions of the JDK say what they mean by their name only. */
    private static String described(Throwable thrown) {
        String name = thrown.getClass().getSimpleName();
        return thrown.getMessage() == null ? name : name + ": " + thrown.getMessage();
    }
}
