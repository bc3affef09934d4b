package io.genievm.api.hypervisor;

import java.util.List;

/**
 * The disks of one VM, frozen at one moment. Ends with exactly one of {@link #committed()} and {@link #abandoned()},
 * followed by {@link #close()}. {@code close()} alone, like the death of the process, means that the outcome is not
 * known: both the new tokens and the parent's are kept, and the next snapshot, which knows its parent, drops the others.
 * Safe for use by several threads.
 *
 * @since 0.1
 */
public interface VmSnapshot extends AutoCloseable {
    /**
     * The VM at the moment of the snapshot, stored with the restore point so that it can be made anew.
     *
     * @return the description, with all disks, also those that are excluded or can not be backed up
     */
    VmDescription description();

    /**
     * The disks to back up: all of the VM but those excluded by the request and those that the driver can not back up,
     * which it names in {@link #facts()}.
     *
     * @return in ascending order of their ids, no id twice; possibly empty. The same objects at each call, which live
     *     as long as the snapshot
     */
    List<SnapshotDisk> disks();

    /**
     * How far the guest was brought to rest in fact.
     *
     * @return at most what was asked for
     */
    QuiesceMode quiesced();

    /**
     * What was asked for and did not work, what was left out, and what was found: so far. The core asks again at the
     * end.
     *
     * @return possibly empty; later calls give the same and maybe more
     */
    List<DriverFact> facts();

    /**
     * Tells that the restore point is in the repository: the new tokens count, and tokens of the same repository and VM
     * that are older than these may be dropped. All readers are closed by now. Never called twice, nor after {@link #abandoned()}.
     *
     * @throws io.genievm.api.GenieVmException when cleaning up fails. The restore point stays; the failure becomes a
     *     warning, and the next snapshot cleans up
     */
    void committed();

    /**
     * Tells that there will be no restore point: the new tokens are dropped, the parent's stay valid.
     *
     * @throws io.genievm.api.GenieVmException when cleaning up fails; the next snapshot cleans up
     */
    void abandoned();

    /**
     * Releases the snapshot on the hypervisor and everything that it holds. Does nothing the second time. Pending
     * reads in other threads fail with {@code CLOSED}.
     *
     * @throws io.genievm.api.GenieVmException when something may be left on the hypervisor; the next snapshot of the
     *     same repository and VM clears it
     */
    @Override
    void close();
}
