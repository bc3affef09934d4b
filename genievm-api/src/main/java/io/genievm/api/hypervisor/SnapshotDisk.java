package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import java.util.Optional;

/**
 * One disk of a snapshot. Safe for use by several threads.
 *
 * @since 0.1
 */
public interface SnapshotDisk {
    /**
     * The disk's id.
     *
     * @return unique within its VM
     */
    DiskId id();

    /**
     * The disk's size at the moment of the snapshot.
     *
     * @return bytes, 0 or more, not necessarily a multiple of anything
     */
    long capacity();

    /**
     * The new token, from which the next backup can ask for changes if this one is committed.
     *
     * @return empty when the disk's changes are not tracked
     */
    Optional<ChangeToken> token();

    /**
     * What readers of this disk may be asked for.
     *
     * @return the same for the life of the snapshot
     */
    DiskLimits limits();

    /**
     * The ranges that may hold something else than zeroes. What is left out reads as zeroes: this is the only meaning
     * of allocation here, and a driver that does not know gives the whole disk.
     *
     * @return a cursor over ascending, disjoint extents inside the capacity, closed by the caller; at each call a new one
     * @throws io.genievm.api.GenieVmException with an I/O code or {@code CLOSED}, here or from the cursor. After any other
     *     failure than {@code CLOSED}, also in the middle of a list, the core reads the whole disk
     */
    ExtentCursor allocated();

    /**
     * The ranges that were written since the moment of an earlier token of this disk.
     *
     * @param token the token that the parent restore point holds for this disk
     * @return {@link Changes.Known} only if the driver vouches that nothing else was written; otherwise
     *     {@link Changes.Unknown} with the reason. A changed range that is not allocated is zero
     * @throws io.genievm.api.GenieVmException with an I/O code or {@code CLOSED}, here or from the cursor. The core
     *     treats any other failure than {@code CLOSED} as {@link Changes.Unknown}, also in the middle of a list
     */
    Changes changesSince(ChangeToken token);

    /**
     * Opens a reader. The core opens at most as many as {@link DiskLimits#readers()} at a time. When a limit that spans
     * disks is reached the answer is {@code BUSY}: the core goes on with the readers of this disk that it has; when it
     * has none, the backup fails and may be tried again.
     *
     * @return the reader, closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code BUSY}, an I/O code, {@code ACCESS_DENIED}, {@code SOURCE_CHANGED} when the disk is
     *     gone, or {@code CLOSED}
     */
    DiskReader openReader();

    /**
     * Asserts that everything read so far belongs to the one moment of the snapshot. Called when all readers of the
     * disk are closed, before the commit. A driver whose snapshots are real does nothing; one that can only watch a
     * live file looks whether it has changed.
     *
     * @throws io.genievm.api.GenieVmException with {@code SOURCE_CHANGED} when what was read may be of no single
     *     moment. The core then takes one new snapshot of the VM and reads again
     */
    default void confirmUnchanged() {}
}
