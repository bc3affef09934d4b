package io.genievm.api.hypervisor;

/**
 * What may work with a driver. A capability that is absent is refused or told as a {@link DriverFact}, never silently
 * left out.
 *
 * @since 0.1
 */
public enum Capability {
    /** Disks may bear a {@link ChangeToken} and answer {@link SnapshotDisk#changesSince}. */
    CHANGE_TRACKING,
    /** {@link SnapshotDisk#allocated()} leaves out ranges that read as zeroes. */
    ALLOCATION,
    /** {@link QuiesceMode#FILE_SYSTEM} may be asked for. */
    QUIESCE_FILE_SYSTEM,
    /** {@link QuiesceMode#APPLICATION} may be asked for. */
    QUIESCE_APPLICATION,
    /** All disks are frozen at one and the same moment. */
    ATOMIC_SNAPSHOT
}
