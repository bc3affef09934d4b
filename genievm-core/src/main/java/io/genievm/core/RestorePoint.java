package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One VM at one moment, as the repository holds it: complete, whatever it was made from.
 *
 * @param id its id, for ever its own
 * @param vm the VM
 * @param name the VM's name for people at that moment
 * @param sequence its place: the points of a VM are ordered by sequence, ties by id
 * @param parent the point that it was compared with, or {@code null} where there was none; it may be deleted by now
 * @param created when the snapshot was taken, by the clock of the machine that did it: for people, never for order
 * @param provider the name of the driver that made it
 * @param disks the disks in ascending order of their ids
 * @param warnings what was noticed when it was made
 * @since 0.1
 */
public record RestorePoint(
        SessionId id,
        VmId vm,
        String name,
        long sequence,
        @Nullable SessionId parent,
        Instant created,
        String provider,
        List<Disk> disks,
        List<Warning> warnings) {
    /**
     * Copies the lists.
     *
     * @param id the id
     * @param vm the VM
     * @param name the name
     * @param sequence the sequence
     * @param parent the parent
     * @param created the time
     * @param provider the driver
     * @param disks the disks
     * @param warnings the warnings
     */
    public RestorePoint {
        disks = List.copyOf(disks);
        warnings = List.copyOf(warnings);
    }

    /**
     * One disk of a point.
     *
     * @param id its id
     * @param capacity its size in bytes
     * @param plan what was read of it for this point
     * @param reason why that was not {@link DiskPlan#CHANGED}, as in {@link BackupReport.Disk#reason()}
     * @param trust how far it is proven, by all that is known now
     * @param coveredShare which part of the disk has been compared since it was proven, from 0 to 1; 1 where it is. Each stripe
     *     at its time: what the driver left out of its list after a range was compared is not seen before the range's next turn
     * @param provenPoint the newest point, this one or one before it, in which it was proven; {@code null} where there is none.
     *     It may be deleted by now
     * @param consistent false if the disk changed while it was read and was kept all the same; it is suspect then
     * @since 0.1
     */
    public record Disk(
            DiskId id,
            long capacity,
            DiskPlan plan,
            @Nullable String reason,
            Trust trust,
            double coveredShare,
            @Nullable SessionId provenPoint,
            boolean consistent) {}
}
