package io.genievm.api.hypervisor;

import io.genievm.api.VmId;
import java.util.Optional;
import java.util.Set;

/**
 * A connection to one hypervisor. Safe for use by several threads; several snapshots may be open at a time.
 *
 * @since 0.1
 */
public interface HypervisorConnection extends AutoCloseable {
    /**
     * Says what may work here. What did work in a given backup is told by {@link VmSnapshot#facts()}.
     *
     * @return the same set for the life of the connection, possibly empty
     */
    Set<Capability> capabilities();

    /**
     * Says which driver this is.
     *
     * @return the {@link HypervisorProvider#name()} of the provider that opened it
     */
    String providerName();

    /**
     * Names the thing that this connection is to, so that tokens of one hypervisor are never used with another: the
     * same for every connection to the same place, from whatever machine, and different for any other place.
     *
     * @return 1 to 255 characters without secrets, such as a host's UUID
     */
    String sourceId();

    /**
     * Lists the VMs that can be backed up.
     *
     * @return the VMs, possibly none; one that vanishes meanwhile may or may not be among them
     * @throws io.genievm.api.GenieVmException with an I/O code, or {@code CLOSED}
     */
    VmListing vms();

    /**
     * Describes a VM as it is now: what a person wants to see and what is needed to make it anew.
     *
     * @param vm its id
     * @return the description
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when there is no such VM, an I/O code, or
     *     {@code CLOSED}
     */
    VmDescription describe(VmId vm);

    /**
     * Freezes the disks of a VM at one moment, quiescing the guest as asked, and finds and clears what a dead session
     * of the same repository left on this VM.
     *
     * <p>When this throws, nothing of this call is left on the hypervisor that the next call would not clear by itself,
     * the guest runs as before, and the tokens of the parent stay valid.
     *
     * @param vm the VM
     * @param request whose backup it is and how it is wanted
     * @return an open snapshot, owned by the caller, who ends it as {@link VmSnapshot} says
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when there is no such VM or an excluded disk is
     *     none of it, {@code BUSY} when another living job holds the VM, {@code UNSUPPORTED}, an I/O code, or
     *     {@code CLOSED}
     */
    VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request);

    /**
     * Gives an optional ability of this connection: {@link VmCreation}, {@link DiskWriting}, or one that only this
     * driver and its users know.
     *
     * @param type the interface of the ability
     * @param <A> the interface of the ability
     * @return the ability, which lives as long as the connection, or empty when it is not there
     */
    default <A> Optional<A> ability(Class<A> type) {
        return type.isInstance(this) ? Optional.of(type.cast(this)) : Optional.empty();
    }

    /**
     * Ends the connection. Pending calls of its snapshots and readers fail with {@code CLOSED}; open snapshots end as by
     * {@link VmSnapshot#close()} alone: their outcome is not known, so the tokens of both sides are kept.
     */
    @Override
    void close();
}
