package io.genievm.core;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a restore did. Every byte of it was checked.
 *
 * @param point the point that was restored
 * @param disks the disks that were restored, with how far they are proven; a suspect one is a warning as well
 * @param files the files that were written or were there and equal, in the order of the disks; empty when the target was a VM
 * @param vm the new VM, or the one that was restored over; {@code null} when the target was a folder
 * @param writtenBytes bytes written; holes and zeroes are not, nor what was there already
 * @param comparedBytes bytes that were read of a VM that was restored over, or of files that were there, to find what differs
 * @param warnings what a person should know
 * @param elapsed how long it took
 * @since 0.1
 */
public record RestoreReport(
        SessionId point,
        List<RestorePoint.Disk> disks,
        List<Path> files,
        @Nullable VmId vm,
        long writtenBytes,
        long comparedBytes,
        List<Warning> warnings,
        Duration elapsed) {
    /**
     * Copies the lists.
     *
     * @param point the point
     * @param disks the disks that were restored, with how far they are proven; a suspect one is a warning as well
     * @param files the files
     * @param vm the VM
     * @param writtenBytes bytes written
     * @param comparedBytes bytes compared
     * @param warnings the warnings
     * @param elapsed the time
     */
    public RestoreReport {
        disks = List.copyOf(disks);
        files = List.copyOf(files);
        warnings = List.copyOf(warnings);
    }
}
