package io.genievm.core;

/**
 * How much of what a hypervisor calls unchanged a backup reads all the same, to compare it with the parent point.
 *
 * @since 0.1
 */
public enum AuditMode {
    /** Nothing: the hypervisor is believed. */
    NONE,
    /** The next stripe of the disk, so that a lie is found after a known number of backups at the latest. */
    SAMPLE,
    /** Everything: the disk is proven. */
    FULL
}
