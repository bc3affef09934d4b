package io.genievm.api;

import org.jspecify.annotations.Nullable;

/**
 * A task ended because its owner cancelled it.
 *
 * @since 0.1
 */
public class TaskCancelledException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    /**
     * Makes an exception with code {@link ErrorCode#CANCELLED}.
     *
     * @param resource what it is about
     * @param message one or more sentences for people
     * @param cause what led to it, or {@code null}
     */
    public TaskCancelledException(Resource resource, String message, @Nullable Throwable cause) {
        super(ErrorCode.CANCELLED, resource, message, cause);
    }
}
