package io.genievm.api.store;

/**
 * What a put found.
 *
 * @since 0.1
 */
public enum PutOutcome {
    /** There was no object of that name; now there is this one. */
    CREATED,
    /** An object of that name was there; it is as it was. */
    EXISTS
}
