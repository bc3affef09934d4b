package io.genievm.core.internal.store;

import io.genievm.api.GenieVmException;

/** Is told of calls of a store that are tried again. */
@FunctionalInterface
public interface RetryListener {
    /** A call has failed and is tried again after so many nanoseconds. */
    void retried(GenieVmException failure, long pause);
}
