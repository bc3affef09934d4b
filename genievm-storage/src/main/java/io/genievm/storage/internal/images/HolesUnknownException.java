package io.genievm.storage.internal.images;

/** The holes of a file can not be found here. */
final class HolesUnknownException extends Exception {
    private static final long serialVersionUID = 1L;

    HolesUnknownException(String message, Throwable cause) {
        super(message, cause);
    }
}
