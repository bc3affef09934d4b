package io.genievm.api;

import org.jspecify.annotations.Nullable;

/**
 * An object was written by a newer version of the format; a newer GenieVM can read it.
 *
 * @since 0.1
 */
public class UnsupportedFormatVersionException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception with code {@link ErrorCode#FORMAT_TOO_NEW}.
     *
     * @param resource what it is about
     * @param message one or more sentences for people
     * @param cause what led to it, or {@code null}
     */
    public UnsupportedFormatVersionException(Resource resource, String message, @Nullable Throwable cause) {
        super(ErrorCode.FORMAT_TOO_NEW, resource, message, cause);
    }
}
