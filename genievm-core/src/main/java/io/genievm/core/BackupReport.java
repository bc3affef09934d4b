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
     * @param reason why not {@link DiskPlan#CHANGED}, a word in upper case, or {@code null} where there is nothing to say
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
     * @param share which part of what was called unchanged was compared, from 0 to 1
     * @param comparedBytes bytes compared
     * @param mismatches ranges that were called unchanged and were not; in ascending order
     * @since 0.1
     */
    public record Audit(double share, long comparedBytes, List<Extent> mismatches) {
        /** No audit: everything was read anyway. */
        public static final Audit NONE = new Audit(0, 0, List.of());

        /**
         * Copies the list.
         *
         * @param share the share
         * @param comparedBytes bytes compared
         * @param mismatches the ranges
         */
        public Audit {
            mismatches = List.copyOf(mismatches);
        }
    }
}
