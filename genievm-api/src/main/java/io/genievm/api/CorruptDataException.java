package io.genievm.api;

import org.jspecify.annotations.Nullable;

/**
 * Data that was read is not what was written: a checksum, a hash, a length or a structure is wrong.
 *
 * @since 0.1
 */
public class CorruptDataException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception with code {@link ErrorCode#CORRUPT_DATA}.
     *
     * @param resource what it is about
     * @param message one or more sentences for people
     * @param cause what led to it, or {@code null}
     */
    public CorruptDataException(Resource resource, String message, @Nullable Throwable cause) {
        super(ErrorCode.CORRUPT_DATA, resource, message, cause);
    }
}
