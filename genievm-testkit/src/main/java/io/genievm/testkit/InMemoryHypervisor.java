package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import java.util.List;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A hypervisor whose VMs live on the heap. Its snapshots freeze content; its connections can make VMs, and write into the
 * disks of those that are {@linkplain InMemoryVm#shutOff shut off}; it refuses with an
 * {@link IllegalStateException} or {@link IllegalArgumentException} what the SPI forbids its caller, such as a read that is
 * not aligned or a second {@code committed()}. A {@link Hook} sees every call before it is carried out, and may fail it,
 * delay it or change a disk just then. Safe for use by several threads.
 *
 * <p>It tracks changes when it is {@linkplain #trackChanges told to}: then every snapshot makes a token for each of its
 * disks whose changes {@linkplain InMemoryDisk#trackChanges are tracked}. A token begins with the name of its snapshot's
 * {@linkplain io.genievm.api.hypervisor.SnapshotRequest#markerName() marker}, can not be guessed from another, and ends
 * with its disk. Tokens are dropped as soon as the rules for tokens in the package description of
 * {@code io.genievm.api.hypervisor} allow it. A parent's token that is unknown is told as
 * {@link io.genievm.api.hypervisor.DriverFact#TRACKING_LOST}, tokens of a session that has died as
 * {@link io.genievm.api.hypervisor.DriverFact#LEFTOVER_CLEARED}. Disks can be made to {@linkplain InMemoryDisk#lie lie}.
 *
 * @since 0.1
 */
public final class InMemoryHypervisor {
    private static final Hook NONE = event -> {};

    private final TreeMap<VmId, InMemoryVm> vms =
            new TreeMap<>((a, b) -> a.value().compareTo(b.value()));
    private final String sourceId = UUID.randomUUID().toString();
    private final AtomicInteger openSnapshots = new AtomicInteger();
    private final AtomicInteger openReaders = new AtomicInteger();
    private volatile Hook hook = NONE;
    private volatile boolean tracksChanges;

    /** Makes a hypervisor without VMs. */
    public InMemoryHypervisor() {}

    /**
     * What is asked of the hypervisor.
     *
     * @since 0.1
     */
    public enum Call {
        /** {@link HypervisorConnection#beginSnapshot}. */
        BEGIN_SNAPSHOT,
        /** {@link io.genievm.api.hypervisor.SnapshotDisk#allocated()}. */
        ALLOCATED,
        /** {@link io.genievm.api.hypervisor.SnapshotDisk#changesSince}. */
        CHANGES_SINCE,
        /** {@link io.genievm.api.hypervisor.SnapshotDisk#openReader()}. */
        OPEN_READER,
        /** {@link io.genievm.api.hypervisor.DiskReader#read}. */
        READ,
        /** {@link io.genievm.api.hypervisor.SnapshotDisk#confirmUnchanged()}. */
        CONFIRM_UNCHANGED,
        /** {@link io.genievm.api.hypervisor.VmSnapshot#committed()}. */
        COMMITTED,
        /** {@link io.genievm.api.hypervisor.VmSnapshot#abandoned()}. */
        ABANDONED,
        /** {@link io.genievm.api.hypervisor.VmSnapshot#close()}, the first time. */
        CLOSE_SNAPSHOT,
        /** {@link io.genievm.api.hypervisor.VmCreation#create}; the VM is the one to be. */
        CREATE_VM,
        /** {@link io.genievm.api.hypervisor.DiskWriting#openDisk}. */
        OPEN_DISK,
        /** {@link io.genievm.api.hypervisor.DiskWriter#write}. */
        WRITE,
        /** {@link io.genievm.api.hypervisor.DiskWriter#zero}. */
        ZERO,
        /** {@link io.genievm.api.hypervisor.DiskWriter#flush}. */
        FLUSH,
        /** {@link io.genievm.api.hypervisor.VmCreation.NewVm#complete()}. */
        COMPLETE_VM
    }

    /**
     * A call that is about to be carried out.
     *
     * @param call which one
     * @param vm the VM that it is about
     * @param disk the disk that it is about, or {@code null} where it is about no single disk
     * @param extent the range that is read or written, or {@code null}
     * @since 0.1
     */
    public record Event(
            Call call,
            VmId vm,
            @Nullable DiskId disk,
            @Nullable Extent extent) {}

    /**
     * Is asked before every call. Called by whatever thread makes the call, with no lock held.
     *
     * @since 0.1
     */
    @FunctionalInterface
    public interface Hook {
        /**
         * Is told what is about to be done. Whatever it throws is thrown to the caller, and the call is not carried out;
         * a {@link Call#CLOSE_SNAPSHOT} is, all the same.
         *
         * @param event the call
         */
        void before(Event event);
    }

    /**
     * Sets what is asked before every call of every connection.
     *
     * @param value the hook, in place of the last one
     */
    public void hook(Hook value) {
        hook = value;
    }

    /** Takes the hook away. */
    public void removeHook() {
        hook = NONE;
    }

    /**
     * Sets whether changes are tracked, as they are not unless set: connections have
     * {@link io.genievm.api.hypervisor.Capability#CHANGE_TRACKING}, and their snapshots have tokens.
     *
     * @param on the setting for connections that are opened from now on; those that are open stay as they are
     */
    public void trackChanges(boolean on) {
        tracksChanges = on;
    }

    /**
     * Adds a VM without disks.
     *
     * @param vm its id
     * @return the VM
     * @throws IllegalArgumentException when there is a VM of that id
     */
    public InMemoryVm addVm(String vm) {
        InMemoryVm added = new InMemoryVm(new VmId(vm));
        if (!add(added)) {
            throw new IllegalArgumentException("there is a VM '" + vm + "' already");
        }
        return added;
    }

    /**
     * Removes a VM. Open snapshots of it stay as they are.
     *
     * @param vm its id
     * @throws IllegalArgumentException when there is no such VM
     */
    public void removeVm(String vm) {
        synchronized (vms) {
            vm(vm);
            vms.remove(new VmId(vm));
        }
    }

    /**
     * Finds a VM.
     *
     * @param vm its id
     * @return the VM
     * @throws IllegalArgumentException when there is no such VM
     */
    public InMemoryVm vm(String vm) {
        InMemoryVm found = find(new VmId(vm));
        if (found == null) {
            throw new IllegalArgumentException("there is no VM '" + vm + "'");
        }
        return found;
    }

    /**
     * Connects.
     *
     * @return a connection, closed by the caller
     */
    public HypervisorConnection connect() {
        return new InMemoryConnection(this, tracksChanges);
    }

    /**
     * How many snapshots have been begun and not been closed, of all connections.
     *
     * @return 0 when nothing was left behind
     */
    public int openSnapshots() {
        return openSnapshots.get();
    }

    /**
     * How many readers of snapshots, and disks open for writing, have been opened and not been closed.
     *
     * @return 0 when nothing was left behind
     */
    public int openReaders() {
        return openReaders.get();
    }

    /** Whether a VM of its id was not there before. */
    boolean add(InMemoryVm vm) {
        synchronized (vms) {
            return vms.putIfAbsent(vm.id(), vm) == null;
        }
    }

    @Nullable
    InMemoryVm find(VmId vm) {
        synchronized (vms) {
            return vms.get(vm);
        }
    }

    List<InMemoryVm> all() {
        synchronized (vms) {
            return List.copyOf(vms.values());
        }
    }

    String sourceId() {
        return sourceId;
    }

    void tell(Call call, VmId vm, @Nullable DiskId disk, @Nullable Extent extent) {
        hook.before(new Event(call, vm, disk, extent));
    }

    void countSnapshots(int more) {
        openSnapshots.addAndGet(more);
    }

    void countReaders(int more) {
        openReaders.addAndGet(more);
    }
}
