package io.genievm.api.hypervisor;

/**
 * Tells a driver whether what it was asked for is still wanted. Safe for use by several threads.
 *
 * @since 0.1
 */
public interface Cancellation {
    /** Never cancelled. */
    Cancellation NEVER = new Cancellation() {
        @Override
        public boolean isCancelled() {
            return false;
        }

        @Override
        public void onCancel(Runnable action) {}
    };

    /**
     * Says whether the call should end as soon as it can, with {@link io.genievm.api.ErrorCode#CANCELLED}, having
     * cleaned up as for any other failure.
     *
     * @return true once it is cancelled, and from then on
     */
    boolean isCancelled();

    /**
     * Registers what breaks off something that blocks. It is run once, by any thread, when it is cancelled, and at once
     * if that has happened; it must not block, and is forgotten when the call that it was registered in has returned.
     *
     * @param action what to run
     */
    void onCancel(Runnable action);
}
