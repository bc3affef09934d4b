package io.genievm.api;

import org.jspecify.annotations.Nullable;

/**
 * The one exception of GenieVM, its drivers and its stores for everything that can go wrong outside the program itself.
 * Arguments that break a documented rule of a method throw {@link IllegalArgumentException} or
 * {@link NullPointerException}, calls out of order {@link IllegalStateException}.
 *
 * <p>The message says what happened, where, and for bad input what is allowed; it never holds a secret. Subtypes exist
 * only where callers do something different.
 *
 * @since 0.1
 */
public class GenieVmException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The code. */
    private final ErrorCode code;

    /** The resource. */
    private final Resource resource;

    /**
     * Makes an exception about nothing in particular and without a cause.
     *
     * @param code the kind of error
     * @param message one or more sentences for people
     */
    public GenieVmException(ErrorCode code, String message) {
        this(code, Resource.NONE, message, null);
    }

    /**
     * Makes an exception without a cause.
     *
     * @param code the kind of error
     * @param resource what it is about
     * @param message one or more sentences for people
     */
    public GenieVmException(ErrorCode code, Resource resource, String message) {
        this(code, resource, message, null);
    }

    /**
     * Makes an exception.
     *
     * @param code the kind of error
     * @param resource what it is about
     * @param message one or more sentences for people
     * @param cause what led to it, or {@code null}
     */
    public GenieVmException(ErrorCode code, Resource resource, String message, @Nullable Throwable cause) {
        super(message, cause);
        this.code = code;
        this.resource = resource;
    }

    /**
     * Says what kind of error it is.
     *
     * @return the code
     */
    public final ErrorCode code() {
        return code;
    }

    /**
     * Says what happened, in words for people.
     *
     * @return the message, or the code where whoever made the exception gave none
     */
    @Override
    public String getMessage() {
        String message = super.getMessage();
        return message == null ? code.toString() : message;
    }

    /**
     * Says what it is about.
     *
     * @return the resource; {@link Resource#NONE} when nothing is known
     */
    public final Resource resource() {
        return resource;
    }

    /**
     * Says whether the same call may succeed later although nobody mended anything.
     *
     * @return the code's flag
     */
    public final boolean isRetryable() {
        return code.retryable();
    }
}
