package io.genievm.core;

import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.task.TaskHandle;

/**
 * An open repository. Not to be implemented by others: methods may be added. Safe for use by several threads; any number of tasks may run at a time, here and in other
 * processes and machines: readers and writers never wait for each other.
 *
 * <p>The methods that start a task check their arguments first and throw
 * {@link io.genievm.api.GenieVmException} with {@code CLOSED} after {@link #close()}; everything else that goes wrong is
 * the outcome of the task.
 *
 * @since 0.1
 */
public interface Repository extends AutoCloseable {
    /**
     * The repository's id.
     *
     * @return drawn when it was created
     */
    RepositoryId id();

    /**
     * The parameters that it was created with.
     *
     * @return chunk, segment and pack size
     */
    RepositoryOptions options();

    /**
     * Lists the restore points. Reads every manifest anew.
     *
     * @return the points and what can not be read
     * @throws io.genievm.api.GenieVmException when the store can not be listed
     */
    RestorePointList points();

    /**
     * Finds the one point whose id begins with a prefix.
     *
     * @param prefix 8 to 32 lower-case hexadecimal digits
     * @return the point
     * @throws io.genievm.api.GenieVmException with {@code INVALID_ARGUMENT} for anything else, {@code NOT_FOUND},
     *     {@code AMBIGUOUS}, or {@code CORRUPT_DATA} when the point's manifest is damaged or missing
     */
    RestorePoint point(String prefix);

    /**
     * Starts a backup of one VM. It becomes a restore point as a whole or not at all.
     *
     * @param connection where the VM is; stays the caller's, and open until the task has ended
     * @param request which VM, and how
     * @return the task. Besides the codes of driver and store it fails with {@code SOURCE_CHANGED} when a disk kept
     *     changing while it was read, and {@code FENCED} when others kept ending the session
     */
    TaskHandle<BackupReport> backup(HypervisorConnection connection, BackupRequest request);

    /**
     * Starts a restore.
     *
     * @param request which point, and where to
     * @return the task. It fails with {@code NOT_FOUND} for an unknown VM, point or disk, {@code ALREADY_EXISTS} when a
     *     target is there, both before anything is written; with {@code CORRUPT_DATA} when the latest point is wanted
     *     and a manifest of the VM can not be read; and with {@link DamagedPointException} when data is damaged
     */
    TaskHandle<RestoreReport> restore(RestoreRequest request);

    /**
     * Starts a check. Damage is its result, not its failure.
     *
     * @param request what to check
     * @return the task. It fails with {@code NOT_FOUND} for an unknown point
     */
    TaskHandle<VerifyReport> verify(VerifyRequest request);

    /**
     * Compares two points of a VM. Reads the index before it returns, and pages of the chunk maps while cursors move.
     *
     * @param from the point to compare with
     * @param to the point that is compared; may be older than the other, or the same
     * @return the differences, closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} for an unknown point, {@code INVALID_ARGUMENT} when the
     *     points are of different VMs, {@code CORRUPT_DATA} when a point's manifest is damaged
     */
    PointDiff diff(SessionId from, SessionId to);

    /**
     * Deletes a point. No other point is harmed; what only this one needed stays until it is collected, and is told as
     * {@link VerifyReport#unneededBytes()}. A point whose manifest is damaged or missing can be deleted as well. A restore of
     * the point that is under way may still succeed. When this fails, the point is listed as before or deleted, and may be
     * deleted again.
     *
     * @param point its id
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when there is no such point, {@code FORMAT_TOO_NEW}
     *     when a newer version has written it, or an I/O code
     */
    void delete(SessionId point);

    /** Cancels what still runs, waits for it, and closes the store. Does nothing the second time. */
    @Override
    void close();
}
