package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.testkit.ForwardingHypervisorConnection;
import io.genievm.testkit.ForwardingSnapshotDisk;
import io.genievm.testkit.ForwardingVmSnapshot;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;

/**
 * A folder of images, {@code held:CALL=DIR}, of which one call takes its time, which standard error is told: READ, WRITE or
 * COMPLETE. It says of every disk that nothing has changed, and can write over disks.
 */
public final class HeldProvider implements HypervisorProvider {
    private static final long MILLIS = 1500;

    @Override
    public String name() {
        return "held";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("held");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        String[] words = config.rest().split("=");
        HypervisorConfig folder = HypervisorConfig.of("images:" + words[1]);
        return ServiceLoader.load(HypervisorProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.name().equals("images"))
                .map(provider -> new Held(provider.open(folder), words[0], Path.of(words[1])))
                .findFirst()
                .orElseThrow();
    }

    private static final class Held extends ForwardingHypervisorConnection {
        private final String held;
        private final Path folder;

        Held(HypervisorConnection connection, String held, Path folder) {
            super(connection);
            this.held = held;
            this.folder = folder;
        }

        @Override
        public Set<Capability> capabilities() {
            Set<Capability> all = EnumSet.copyOf(super.capabilities());
            all.add(Capability.CHANGE_TRACKING);
            return all;
        }

        @Override
        public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
            return new ForwardingVmSnapshot(super.beginSnapshot(vm, request), disk -> new HeldDisk(disk, this)) {};
        }

        @Override
        public <A> Optional<A> ability(Class<A> type) {
            if (type == DiskWriting.class) {
                DiskWriting writing = (vm, disk) -> new HeldImage(this, vm, disk);
                return Optional.of(type.cast(writing));
            }
            if (type == VmCreation.class) {
                VmCreation creation = super.ability(VmCreation.class).orElseThrow();
                VmCreation slow = request -> new HeldVm(creation.create(request), this);
                return Optional.of(type.cast(slow));
            }
            return super.ability(type);
        }

        void pass(String call) {
            if (call.equals(held)) {
                System.err.println("held: " + call);
                try {
                    Thread.sleep(MILLIS);
                } catch (InterruptedException e) {
                    throw new IllegalStateException("nobody is to be interrupted", e);
                }
            }
        }
    }

    private static final class HeldDisk extends ForwardingSnapshotDisk {
        private final Held host;

        HeldDisk(SnapshotDisk disk, Held host) {
            super(disk);
            this.host = host;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.of(new ChangeToken("any"));
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            return new Changes.Known(ExtentCursor.of(List.of()));
        }

        @Override
        public DiskReader openReader() {
            DiskReader reader = super.openReader();
            return new DiskReader() {
                @Override
                public void read(long offset, ByteBuffer target) {
                    host.pass("READ");
                    reader.read(offset, target);
                }

                @Override
                public void close() {
                    reader.close();
                }
            };
        }
    }

    private record HeldVm(VmCreation.NewVm vm, Held host) implements VmCreation.NewVm {
        @Override
        public DiskWriter openWriter(DiskId disk) {
            return vm.openWriter(disk);
        }

        @Override
        public VmId complete() {
            host.pass("COMPLETE");
            return vm.complete();
        }

        @Override
        public void close() {
            vm.close();
        }
    }

    /** An image that is written over. */
    private static final class HeldImage implements DiskWriting.WritableDisk, DiskReader, DiskWriter {
        private final Held host;
        private final FileChannel channel;

        HeldImage(Held host, VmId vm, DiskId disk) {
            this.host = host;
            try {
                channel = FileChannel.open(
                        host.folder.resolve(vm.value()).resolve(disk.value()),
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public long capacity() {
            try {
                return channel.size();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public DiskLimits limits() {
            return DiskLimits.FILE;
        }

        @Override
        public DiskReader reader() {
            return this;
        }

        @Override
        public DiskWriter writer() {
            return this;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            host.pass("READ");
            try {
                for (long at = offset; target.hasRemaining(); ) {
                    at += channel.read(target, at);
                }
            } catch (IOException e) {
                throw new GenieVmException(ErrorCode.CLOSED, Resource.NONE, "can not read: " + e, e);
            }
        }

        @Override
        public void write(long offset, ByteBuffer source) {
            host.pass("WRITE");
            try {
                for (long at = offset; source.hasRemaining(); ) {
                    at += channel.write(source, at);
                }
            } catch (IOException e) {
                throw new GenieVmException(ErrorCode.CLOSED, Resource.NONE, "can not write: " + e, e);
            }
        }

        @Override
        public void zero(long offset, long length) {
            write(offset, ByteBuffer.allocate((int) length));
        }

        @Override
        public void flush() {}

        @Override
        public void close() {
            try {
                channel.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
