package io.genievm.core.internal.store;

/** Lets time pass for somebody who may not want to wait any more. */
@FunctionalInterface
public interface Waiter {
    /** Waits so many nanoseconds; gives false, at once, when nobody wants to wait any more. */
    boolean await(long nanos);

    /** What to wait with in the course of a call that begins now. */
    default Waiter forCall() {
        return this;
    }
}
