package io.genievm.core.internal.store;

/** Lets time pass for somebody who may not want to wait any more. */
@FunctionalInterface
public interface Waiter {
    /** Waits so many nanoseconds; gives false, at once, when nobody wants to wait any more. */
    boolean await(long nanos);
}
