package io.genievm.api.hypervisor;

/**
 * The answer to {@link SnapshotDisk#changesSince}.
 *
 * @since 0.1
 */
public sealed interface Changes {
    /**
     * Every range that was written since: nothing outside of them was. They may be wider than what was written.
     *
     * @param extents the ranges, closed by whoever asked
     * @since 0.1
     */
    record Known(ExtentCursor extents) implements Changes {}

    /**
     * The driver can not vouch for a list.
     *
     * @param reason a stable word in upper case for programs, such as {@code NO_TRACKING}, {@code TOKEN_UNKNOWN} or
     *     {@code TRACKING_RESET}
     * @param message one sentence for people
     * @since 0.1
     */
    record Unknown(String reason, String message) implements Changes {}
}
