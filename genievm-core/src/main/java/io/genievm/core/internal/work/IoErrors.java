package io.genievm.core.internal.work;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Turns exceptions of files that the core itself writes into those of GenieVM. */
public final class IoErrors {
    private IoErrors() {}

    /**
     * Makes the exception.
     *
     * @param name the file or folder
     * @param action what was to be done with it, such as {@code write}
     * @param cause what happened
     */
    public static GenieVmException of(String name, String action, IOException cause) {
        String reason = cause instanceof FileSystemException failure && failure.getReason() != null
                ? failure.getReason()
                : cause.getMessage();
        return new GenieVmException(
                code(cause, reason),
                Resource.named(name),
                "cannot " + action + " " + name + ": " + describe(cause, reason),
                cause);
    }

    private static ErrorCode code(IOException cause, @Nullable String reason) {
        if (cause instanceof NoSuchFileException) {
            return ErrorCode.NOT_FOUND;
        }
        if (cause instanceof FileAlreadyExistsException) {
            return ErrorCode.ALREADY_EXISTS;
        }
        if (cause instanceof AccessDeniedException) {
            return ErrorCode.ACCESS_DENIED;
        }
        if (cause instanceof ClosedChannelException) {
            return ErrorCode.CLOSED;
        }
        String text = reason == null ? "" : reason.toLowerCase(Locale.ROOT);
        if (text.contains("no space left") || text.contains("quota exceeded")) {
            return ErrorCode.NO_SPACE;
        }
        return text.contains("read-only file system") || text.contains("not permitted")
                ? ErrorCode.ACCESS_DENIED
                : ErrorCode.IO_ERROR;
    }

    private static String describe(IOException cause, @Nullable String reason) {
        if (cause instanceof NoSuchFileException) {
            return "it does not exist";
        }
        if (cause instanceof FileAlreadyExistsException) {
            return "it exists already";
        }
        if (cause instanceof AccessDeniedException) {
            return "permission denied";
        }
        return reason == null || reason.isEmpty() ? cause.getClass().getSimpleName() : reason;
    }
}
