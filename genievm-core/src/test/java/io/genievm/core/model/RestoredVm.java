package io.genievm.core.model;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Where a point is restored to, to be compared: a hypervisor that has room for one VM and keeps zeroes for nothing. */
final class RestoredVm implements HypervisorConnection, VmCreation, VmCreation.NewVm {
    private final Map<String, PlainBytes> disks = new TreeMap<>();
    private final Map<String, Long> capacities = new TreeMap<>();

    Map<String, PlainBytes> disks() {
        return disks;
    }

    Map<String, Long> capacities() {
        return capacities;
    }

    @Override
    public NewVm create(NewVmRequest request) {
        for (VmDescription.Disk disk : request.disks()) {
            disks.put(disk.id().value(), new PlainBytes());
            capacities.put(disk.id().value(), disk.capacity());
        }
        return this;
    }

    @Override
    public DiskWriter openWriter(DiskId disk) {
        PlainBytes bytes = disks.get(disk.value());
        return new DiskWriter() {
            @Override
            public DiskLimits limits() {
                return DiskLimits.FILE;
            }

            @Override
            public void write(long offset, ByteBuffer source) {
                byte[] part = new byte[source.remaining()];
                source.get(part);
                synchronized (bytes) {
                    bytes.write(offset, part);
                }
            }

            @Override
            public void zero(long offset, long length) {
                synchronized (bytes) {
                    bytes.zero(offset, length);
                }
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
    }

    @Override
    public VmId complete() {
        return new VmId("restored");
    }

    @Override
    public Set<Capability> capabilities() {
        return Set.of();
    }

    @Override
    public String providerName() {
        return "restored";
    }

    @Override
    public String sourceId() {
        return "restored";
    }

    @Override
    public VmListing vms() {
        throw new UnsupportedOperationException();
    }

    @Override
    public VmDescription describe(VmId vm) {
        throw new UnsupportedOperationException();
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
