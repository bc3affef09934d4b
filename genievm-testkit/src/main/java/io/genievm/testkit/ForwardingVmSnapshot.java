package io.genievm.testkit;

import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A snapshot that passes every call on to another. Extend it to watch, delay or break some of them. As safe for use by
 * several threads as the other.
 *
 * @since 0.1
 */
public class ForwardingVmSnapshot implements VmSnapshot {
    private final VmSnapshot snapshot;
    private final List<SnapshotDisk> disks;

    /**
     * Makes a snapshot before another, with the same disks.
     *
     * @param snapshot where the calls go; closed with this one
     */
    protected ForwardingVmSnapshot(VmSnapshot snapshot) {
        this(snapshot, disk -> disk);
    }

    /**
     * Makes a snapshot before another, with disks before those of the other.
     *
     * @param snapshot where the calls go; closed with this one
     * @param disks makes what is given out in place of a disk; asked once for each
     */
    protected ForwardingVmSnapshot(VmSnapshot snapshot, UnaryOperator<SnapshotDisk> disks) {
        this.snapshot = snapshot;
        this.disks = snapshot.disks().stream().map(disks).toList();
    }

    @Override
    public VmDescription description() {
        return snapshot.description();
    }

    @Override
    public List<SnapshotDisk> disks() {
        return disks;
    }

    @Override
    public QuiesceMode quiesced() {
        return snapshot.quiesced();
    }

    @Override
    public List<DriverFact> facts() {
        return snapshot.facts();
    }

    @Override
    public void committed() {
        snapshot.committed();
    }

    @Override
    public void abandoned() {
        snapshot.abandoned();
    }

    @Override
    public void close() {
        snapshot.close();
    }
}
