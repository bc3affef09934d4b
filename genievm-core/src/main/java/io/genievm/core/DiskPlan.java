package io.genievm.core;

/**
 * What a backup read of a disk.
 *
 * @since 0.1
 */
public enum DiskPlan {
    /** Everything that is allocated. */
    ALL,
    /** What the hypervisor said has changed, and the audit's share. */
    CHANGED,
    /** Everything that is allocated, storing only what differs from the parent. */
    SCAN
}
