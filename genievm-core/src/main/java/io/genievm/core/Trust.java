package io.genievm.core;

/**
 * How far it is proven that a disk of a restore point is what the VM had.
 *
 * @since 0.1
 */
public enum Trust {
    /** Every chunk of the disk was read for this point. */
    PROVEN,
    /** Ranges that the hypervisor called unchanged were taken over; a share of them has been compared. */
    SAMPLED,
    /**
     * The disk was not proven, and a later audit found that the hypervisor's change tracking had lied since the point that
     * was proven last: ranges that were taken over may be older than the point. Or the disk changed while it was read.
     */
    SUSPECT
}
