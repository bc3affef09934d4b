package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import java.util.Optional;

/**
 * A disk of a snapshot that passes every call on to another. Extend it to watch, delay or break some of them. As safe for
 * use by several threads as the other.
 *
 * @since 0.1
 */
public class ForwardingSnapshotDisk implements SnapshotDisk {
    private final SnapshotDisk disk;

    /**
     * Makes a disk before another.
     *
     * @param disk where the calls go
     */
    protected ForwardingSnapshotDisk(SnapshotDisk disk) {
        this.disk = disk;
    }

    @Override
    public DiskId id() {
        return disk.id();
    }

    @Override
    public long capacity() {
        return disk.capacity();
    }

    @Override
    public Optional<ChangeToken> token() {
        return disk.token();
    }

    @Override
    public DiskLimits limits() {
        return disk.limits();
    }

    @Override
    public ExtentCursor allocated() {
        return disk.allocated();
    }

    @Override
    public Changes changesSince(ChangeToken token) {
        return disk.changesSince(token);
    }

    @Override
    public DiskReader openReader() {
        return disk.openReader();
    }

    @Override
    public void confirmUnchanged() {
        disk.confirmUnchanged();
    }
}
