package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;

/** A way to break a driver. Nothing is broken that is not overridden. */
class Mutation {
    /** Prepares a disk of the known VM. */
    void prepare(InMemoryDisk disk) {}

    Set<Capability> capabilities(HypervisorConnection connection) {
        return connection.capabilities();
    }

    VmSnapshot begin(HypervisorConnection connection, VmId vm, SnapshotRequest request) {
        return connection.beginSnapshot(vm, request);
    }

    Optional<ChangeToken> token(SnapshotDisk disk) {
        return disk.token();
    }

    Changes changesSince(SnapshotDisk disk, ChangeToken token) {
        return disk.changesSince(token);
    }

    long capacity(SnapshotDisk disk) {
        return disk.capacity();
    }

    ExtentCursor allocated(SnapshotDisk disk) {
        return disk.allocated();
    }

    DiskReader openReader(SnapshotDisk disk) {
        return disk.openReader();
    }

    List<DriverFact> facts(VmSnapshot snapshot) {
        return snapshot.facts();
    }

    void committed(VmSnapshot snapshot) {
        snapshot.committed();
    }

    void abandoned(VmSnapshot snapshot) {
        snapshot.abandoned();
    }

    /** Closes a snapshot that was neither committed nor abandoned. */
    void closeAlone(VmSnapshot snapshot) {
        snapshot.close();
    }

    DiskWriting.WritableDisk openDisk(DiskWriting writing, VmId vm, DiskId disk) {
        return new OpenDisk(writing.openDisk(vm, disk));
    }

    long capacity(DiskWriting.WritableDisk disk) {
        return disk.capacity();
    }

    void write(DiskWriter writer, long offset, ByteBuffer source) {
        writer.write(offset, source);
    }

    void zero(DiskWriter writer, long offset, long length) {
        writer.zero(offset, length);
    }

    void closeDisk(DiskWriting.WritableDisk disk) {
        disk.close();
    }

    HypervisorProvider breaking(HypervisorProvider provider) {
        return new HypervisorProvider() {
            @Override
            public String name() {
                return provider.name();
            }

            @Override
            public Set<String> schemes() {
                return provider.schemes();
            }

            @Override
            public HypervisorConnection open(HypervisorConfig config) {
                return new Connection(provider.open(config));
            }
        };
    }

    private final class Connection extends ForwardingHypervisorConnection {
        private final HypervisorConnection connection;

        Connection(HypervisorConnection connection) {
            super(connection);
            this.connection = connection;
        }

        @Override
        public Set<Capability> capabilities() {
            return Mutation.this.capabilities(connection);
        }

        @Override
        public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
            return new Snapshot(begin(connection, vm, request));
        }

        @Override
        public <A> Optional<A> ability(Class<A> type) {
            if (type == DiskWriting.class) {
                return connection
                        .ability(DiskWriting.class)
                        .map(writing -> type.cast((DiskWriting) (vm, disk) -> openDisk(writing, vm, disk)));
            }
            return super.ability(type);
        }
    }

    private final class Snapshot extends ForwardingVmSnapshot {
        private final VmSnapshot snapshot;
        private final AtomicBoolean ended = new AtomicBoolean();

        Snapshot(VmSnapshot snapshot) {
            super(snapshot, Disk::new);
            this.snapshot = snapshot;
        }

        @Override
        public List<DriverFact> facts() {
            return Mutation.this.facts(snapshot);
        }

        @Override
        public void committed() {
            ended.set(true);
            Mutation.this.committed(snapshot);
        }

        @Override
        public void abandoned() {
            ended.set(true);
            Mutation.this.abandoned(snapshot);
        }

        @Override
        public void close() {
            if (ended.getAndSet(true)) {
                snapshot.close();
            } else {
                closeAlone(snapshot);
            }
        }
    }

    private final class Disk extends ForwardingSnapshotDisk {
        private final SnapshotDisk disk;

        Disk(SnapshotDisk disk) {
            super(disk);
            this.disk = disk;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Mutation.this.token(disk);
        }

        @Override
        public long capacity() {
            return Mutation.this.capacity(disk);
        }

        @Override
        public ExtentCursor allocated() {
            return Mutation.this.allocated(disk);
        }

        @Override
        public DiskReader openReader() {
            return Mutation.this.openReader(disk);
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            return Mutation.this.changesSince(disk, token);
        }
    }

    private final class OpenDisk implements DiskWriting.WritableDisk {
        private final DiskWriting.WritableDisk disk;
        private final DiskWriter writer = new Writer();

        OpenDisk(DiskWriting.WritableDisk disk) {
            this.disk = disk;
        }

        @Override
        public long capacity() {
            return Mutation.this.capacity(disk);
        }

        @Override
        public DiskLimits limits() {
            return disk.limits();
        }

        @Override
        public DiskReader reader() {
            return disk.reader();
        }

        @Override
        public DiskWriter writer() {
            return writer;
        }

        @Override
        public void close() {
            closeDisk(disk);
        }

        private final class Writer implements DiskWriter {
            @Override
            public DiskLimits limits() {
                return disk.limits();
            }

            @Override
            public void write(long offset, ByteBuffer source) {
                Mutation.this.write(disk.writer(), offset, source);
            }

            @Override
            public void zero(long offset, long length) {
                Mutation.this.zero(disk.writer(), offset, length);
            }

            @Override
            public void flush() {
                disk.writer().flush();
            }

            @Override
            public void close() {
                disk.writer().close();
            }
        }
    }
}
