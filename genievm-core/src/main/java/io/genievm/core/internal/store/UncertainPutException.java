package io.genievm.core.internal.store;

import io.genievm.api.GenieVmException;

/**
 * A put that was tried more than once has failed. Whatever the last failure was, also one that says that it had no effect: an
 * earlier attempt may have had it, or have it later.
 */
final class UncertainPutException extends GenieVmException {
    private static final long serialVersionUID = 1L;

    UncertainPutException(GenieVmException last, String message) {
        super(last.code(), last.resource(), message, last);
    }
}
