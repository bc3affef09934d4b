package io.genievm.storage.internal.file;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;

/**
 * Gives failures of the file system the codes of GenieVM.
 *
 * @since 0.1
 */
public final class FileErrors {
    private static final List<String> NO_SPACE = List.of("No space left on device", "Disk quota exceeded");
    private static final List<String> DENIED = List.of("Operation not permitted", "Read-only file system");

    private FileErrors() {}

    /**
     * Makes the exception for a failure.
     *
     * @param action what was being done, such as {@code can not read /srv/a}
     * @param resource what it was done to
     * @param failure what went wrong
     * @return an exception whose message ends with the reason
     */
    public static GenieVmException of(String action, Resource resource, IOException failure) {
        return new GenieVmException(codeOf(failure), resource, action + ": " + reason(failure), failure);
    }

    /**
     * Makes the exception for a failure to write.
     *
     * @param action what was being done
     * @param resource what it was done to
     * @param place a path of the file system that was written to
     * @param bytes how many bytes were to be written; 0 where the space that is left says nothing about the failure
     * @param failure what went wrong
     * @return an exception whose message ends with the reason
     */
    public static GenieVmException ofWrite(
            String action, Resource resource, Path place, long bytes, IOException failure) {
        ErrorCode code = codeOf(failure);
        if (code.equals(ErrorCode.NOT_FOUND) || code.equals(ErrorCode.IO_ERROR)) {
            // The words of the operating system are translated on some machines; the number of bytes left is not.
            code = usableSpace(place) < bytes ? ErrorCode.NO_SPACE : ErrorCode.IO_ERROR;
        }
        return new GenieVmException(code, resource, action + ": " + reason(failure), failure);
    }

    /**
     * Finds the code of a failure.
     *
     * @param failure the failure
     * @return {@code NO_SPACE}, {@code ACCESS_DENIED}, {@code NOT_FOUND} or {@code IO_ERROR}
     */
    public static ErrorCode codeOf(IOException failure) {
        // Java keeps the number of an error only for the few kinds that have a class of their own.
        if (failure instanceof NoSuchFileException) {
            return ErrorCode.NOT_FOUND;
        }
        if (failure instanceof AccessDeniedException || says(failure, DENIED)) {
            return ErrorCode.ACCESS_DENIED;
        }
        return says(failure, NO_SPACE) ? ErrorCode.NO_SPACE : ErrorCode.IO_ERROR;
    }

    /**
     * Says whether a failure means that nothing is at a path.
     *
     * @param path the path that was asked for
     * @param failure the failure
     * @return whether nothing is there, also because a file stands where a folder would have to
     */
    public static boolean isAbsent(Path path, IOException failure) {
        if (failure instanceof NoSuchFileException) {
            return true;
        }
        if (!codeOf(failure).equals(ErrorCode.IO_ERROR)) {
            return false;
        }
        for (Path above = path.getParent(); above != null; above = above.getParent()) {
            if (Files.isRegularFile(above)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Says in words why something failed.
     *
     * @param failure the failure
     * @return the reason, without the path where Java keeps the two apart
     */
    public static String reason(IOException failure) {
        if (failure instanceof AccessDeniedException) {
            return "permission denied";
        }
        if (failure instanceof NoSuchFileException) {
            return "no such file or folder";
        }
        if (failure instanceof ClosedByInterruptException) {
            return "the thread was interrupted";
        }
        String reason = failure instanceof FileSystemException e ? e.getReason() : failure.getMessage();
        return reason == null ? failure.getClass().getSimpleName() : reason;
    }

    private static long usableSpace(Path place) {
        try {
            return Files.getFileStore(place).getUsableSpace();
        } catch (IOException e) {
            return Long.MAX_VALUE;
        }
    }

    private static boolean says(IOException failure, List<String> reasons) {
        String message = String.valueOf(failure.getMessage());
        return reasons.stream().anyMatch(message::contains);
    }
}
