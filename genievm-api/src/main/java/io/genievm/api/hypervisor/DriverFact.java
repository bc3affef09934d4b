package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import org.jspecify.annotations.Nullable;

/**
 * Something that a driver tells about a snapshot or a VM. What {@link VmSnapshot#facts()} tells becomes a warning of the
 * job and is kept with the restore point; what {@link VmDescription#facts()} and {@link VmListing#facts()} tell is only
 * shown to whoever looks at the VMs.
 *
 * @param code a stable word in upper case: one of the constants here, or one that the driver documents
 * @param disk the disk that it is about, or {@code null} where it is about no single disk
 * @param message one sentence for people, without secrets
 * @since 0.1
 */
public record DriverFact(String code, @Nullable DiskId disk, String message) {
    /** The guest was not brought to rest as asked. */
    public static final String QUIESCE_REFUSED = "QUIESCE_REFUSED";
    /** The token of the parent can not be used any more. */
    public static final String TRACKING_LOST = "TRACKING_LOST";
    /** A disk is not part of the snapshot although it was not excluded. */
    public static final String DISK_SKIPPED = "DISK_SKIPPED";
    /** A file or folder that lies among the VM's was ignored. */
    public static final String FILE_IGNORED = "FILE_IGNORED";
    /** Something left behind by a dead session of this repository was cleared. */
    public static final String LEFTOVER_CLEARED = "LEFTOVER_CLEARED";
    /** Only part of the ranges that read as zeroes are known. */
    public static final String ALLOCATION_UNKNOWN = "ALLOCATION_UNKNOWN";
    /**
     * The disk's changes can not be tracked, so every backup of it reads all that is allocated. That is how the disk is
     * and nothing that has happened: it belongs into the facts of a {@link VmDescription} and not into those of a
     * {@link VmSnapshot}, where it would make every backup of the VM one with warnings, for ever. A disk that was tracked
     * and is not any more is {@link #TRACKING_LOST}, once.
     */
    public static final String TRACKING_UNAVAILABLE = "TRACKING_UNAVAILABLE";
}
