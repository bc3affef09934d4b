package io.genievm.kvm.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.List;

/** Gives failures of the file system the codes of GenieVM. */
final class FileFailures {
    private static final List<String> NO_SPACE = List.of("No space left on device", "Disk quota exceeded");
    private static final List<String> DENIED = List.of("Operation not permitted", "Read-only file system");

    private FileFailures() {}

    /**
     * Makes the exception for a failure.
     *
     * @param action what was being done, such as {@code can not read /srv/a}
     */
    static GenieVmException of(String action, Resource resource, IOException failure) {
        return new GenieVmException(codeOf(failure), resource, action + ": " + reason(failure), failure);
    }

    private static ErrorCode codeOf(IOException failure) {
        // Java keeps the number of an error only for the few kinds that have a class of their own.
        if (failure instanceof NoSuchFileException) {
            return ErrorCode.NOT_FOUND;
        }
        if (failure instanceof FileAlreadyExistsException) {
            return ErrorCode.ALREADY_EXISTS;
        }
        if (failure instanceof AccessDeniedException || says(failure, DENIED)) {
            return ErrorCode.ACCESS_DENIED;
        }
        return says(failure, NO_SPACE) ? ErrorCode.NO_SPACE : ErrorCode.IO_ERROR;
    }

    private static String reason(IOException failure) {
        if (failure instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (failure instanceof NoSuchFileException) {
            return "no such file or folder";
        }
        if (failure instanceof FileAlreadyExistsException) {
            return "it is there already";
        }
        String reason = failure instanceof FileSystemException e ? e.getReason() : failure.getMessage();
        return reason == null ? failure.getClass().getSimpleName() : reason;
    }

    private static boolean says(IOException failure, List<String> reasons) {
        String message = String.valueOf(failure.getMessage());
        return reasons.stream().anyMatch(message::contains);
    }
}
