package io.genievm.storage.internal.images;

/** A list of changes is not written as {@link ImagesProvider} says. The message begins with the line's number. */
final class MalformedChangeListException extends Exception {
    private static final long serialVersionUID = 1L;

    private final String message;

    MalformedChangeListException(String message) {
        super(message);
        this.message = message;
    }

    @Override
    public String getMessage() {
        return message;
    }
}
