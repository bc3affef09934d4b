package io.genievm.api.task;

import io.genievm.api.DiskId;
import java.util.List;

/**
 * How far a task is: a copy, taken at one moment. All figures but {@code plannedBytes} only grow within a phase;
 * {@code plannedBytes} grows while the planning is still going on.
 *
 * @param phase what the task is doing
 * @param plannedBytes what this phase has to deal with in all, as far as is known
 * @param doneBytes how much of it is dealt with: {@code readBytes + skippedBytes} of a backup
 * @param readBytes bytes read from the source: of a disk for a backup; of the repository otherwise, decompressed for a restore
 * @param skippedBytes bytes that needed no reading, such as holes
 * @param storedBytes bytes written to the target: to the repository for a backup, to disks for a restore
 * @param disks the same for each disk, in the order of the job; empty where a task has none
 * @since 0.1
 */
public record TaskProgress(
        TaskPhase phase,
        long plannedBytes,
        long doneBytes,
        long readBytes,
        long skippedBytes,
        long storedBytes,
        List<Disk> disks) {
    /**
     * Copies the list.
     *
     * @param phase the phase
     * @param plannedBytes planned
     * @param doneBytes done
     * @param readBytes read
     * @param skippedBytes skipped
     * @param storedBytes stored
     * @param disks for each disk
     */
    public TaskProgress {
        disks = List.copyOf(disks);
    }

    /**
     * How far one disk is.
     *
     * @param id the disk
     * @param plannedBytes what there is to deal with in all
     * @param doneBytes how much of it is dealt with
     * @param readBytes bytes read
     * @param skippedBytes bytes that needed no reading
     * @since 0.1
     */
    public record Disk(DiskId id, long plannedBytes, long doneBytes, long readBytes, long skippedBytes) {}
}
