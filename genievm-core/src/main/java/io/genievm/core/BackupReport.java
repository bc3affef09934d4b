package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a backup did.
 *
 * @param point the id of the new restore point
 * @param vm the VM
 * @param sequence the point's place among the points of the VM
 * @param parent the point that it was compared with, or {@code null} where there was none
 * @param disks what was done with each disk, in ascending order of their ids
 * @param storedBytes bytes added to the repository, everything included
 * @param warnings what a person should know
 * @param elapsed how long it took
 * @since 0.1
 */
public record BackupReport(
        SessionId point,
        VmId vm,
        long sequence,
        @Nullable SessionId parent,
        List<Disk> disks,
        long storedBytes,
        List<Warning> warnings,
        Duration elapsed) {
    /**
     * Copies the lists.
     *
     * @param point the point
     * @param vm the VM
     * @param sequence the sequence
     * @param parent the parent
     * @param disks the disks
     * @param storedBytes bytes added
     * @param warnings the warnings
     * @param elapsed the time
     */
    public BackupReport {
        disks = List.copyOf(disks);
        warnings = List.copyOf(warnings);
    }

    /**
     * What was done with one disk.
     *
     * @param id the disk
     * @param capacity its size in bytes
     * @param plan what was read
     * @param reason why not {@link DiskPlan#CHANGED}, a word in upper case; {@code null} for {@code CHANGED}. Words of the
     *     core: {@code FULL_REQUESTED}; {@code NO_PARENT}, no earlier point of the VM; {@code DISK_ADDED}, the parent
     *     does not have the disk; {@code RESIZED}; {@code SOURCE_DIFFERS}, the parent comes from another driver or place;
     *     {@code NO_TOKEN}, the parent has no change token of the disk; {@code PARENT_SUSPECT}, the parent's data of the disk
     *     is suspect, or the tracking is known to have lied since the parent; {@code TRACKING_LOST}, the driver's list of changes failed or broke its rules; {@code
     *     AUDIT_MISMATCH}, the audit has found the list to be wrong. Any other word is the driver's
     * @param readBytes bytes read, without the audit
     * @param changedBytes bytes of chunks that differ from the parent's; without a parent, of chunks that are not zero
     * @param storedBytes bytes added to the repository for the disk's chunks, compressed; its share of those segments
     *     that hold chunks of several disks
     * @param trust how far it is proven
     * @param audit what the audit compared
     * @since 0.1
     */
    public record Disk(
            DiskId id,
            long capacity,
            DiskPlan plan,
            @Nullable String reason,
            long readBytes,
            long changedBytes,
            long storedBytes,
            Trust trust,
            Audit audit) {}

    /**
     * What an audit of a disk did.
     *
     * @param share which part of the disk it was to cover, from 0 to 1; 0 where nothing was audited. Where everything is read
     *     on request, what the driver says is compared on the way: 1
     * @param comparedBytes bytes of chunks that were called unchanged and were compared with the parent's, holes included
     * @param readBytes bytes that were read for it; holes need no reading
     * @param mismatches ranges that were called unchanged and were not, in ascending order. After the first the audit stops
     *     and the whole disk is read, so they are all there are; at most 1 000, of which neighbours are merged
     * @since 0.1
     */
    public record Audit(double share, long comparedBytes, long readBytes, List<Extent> mismatches) {
        /** No audit: it was not wanted, or everything was read anyway. */
        public static final Audit NONE = new Audit(0, 0, 0, List.of());

        /**
         * Copies the list.
         *
         * @param share the share
         * @param comparedBytes bytes compared
         * @param readBytes bytes read
         * @param mismatches the ranges
         */
        public Audit {
            mismatches = List.copyOf(mismatches);
        }
    }
}
