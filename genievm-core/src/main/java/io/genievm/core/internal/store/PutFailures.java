package io.genievm.core.internal.store;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;

/** Tells failures of puts apart by what the contract of stores says about them. */
public final class PutFailures {
    private PutFailures() {}

    /** Whether the object was not created and never will be; after any other failure it may be there. */
    public static boolean isRefusal(GenieVmException e) {
        return !(e instanceof UncertainPutException)
                && (e.code().equals(ErrorCode.NO_SPACE)
                        || e.code().equals(ErrorCode.LIMIT_EXCEEDED)
                        || e.code().equals(ErrorCode.UNSUPPORTED));
    }
}
