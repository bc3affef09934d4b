package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A driver of one VM that takes its time. {@code slow:disk}: so much noise that a backup takes minutes.
 * {@code slow:goodbye}: abandoning the snapshot takes minutes as well. {@code slow:brief}: a second or two.
 */
public final class SlowProvider implements HypervisorProvider {
    private static final VmId VM = new VmId("slow");
    private static final DiskId DISK = new DiskId("disk");

    @Override
    public String name() {
        return "slow";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("slow");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        return new Connection(
                config.rest().equals("brief") ? 64 << 20 : 64L << 30,
                config.rest().equals("goodbye"));
    }

    private static VmDescription slowVm(long capacity) {
        return new VmDescription(VM, VM.value(), List.of(new VmDescription.Disk(DISK, capacity)), Map.of(), List.of());
    }

    private static void pass(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new GenieVmException(ErrorCode.INTERNAL_ERROR, "nobody is to be interrupted");
        }
    }

    private record Connection(long capacity, boolean slowGoodbye) implements HypervisorConnection {
        @Override
        public Set<Capability> capabilities() {
            return Set.of();
        }

        @Override
        public String providerName() {
            return "slow";
        }

        @Override
        public String sourceId() {
            return "slow";
        }

        @Override
        public VmListing vms() {
            return new VmListing(List.of(new VmSummary(VM, VM.value())), List.of());
        }

        @Override
        public VmDescription describe(VmId vm) {
            return slowVm(capacity);
        }

        @Override
        public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
            return new Snapshot(capacity, slowGoodbye);
        }

        @Override
        public void close() {}
    }

    private record Snapshot(long capacity, boolean slowGoodbye) implements VmSnapshot {
        @Override
        public VmDescription description() {
            return slowVm(capacity);
        }

        @Override
        public List<SnapshotDisk> disks() {
            return List.of(new Disk(capacity));
        }

        @Override
        public QuiesceMode quiesced() {
            return QuiesceMode.NONE;
        }

        @Override
        public List<DriverFact> facts() {
            return List.of();
        }

        @Override
        public void committed() {}

        @Override
        public void abandoned() {
            if (slowGoodbye) {
                pass(600_000);
            }
        }

        @Override
        public void close() {}
    }

    private record Disk(long capacity) implements SnapshotDisk {
        @Override
        public DiskId id() {
            return DISK;
        }

        @Override
        public Optional<ChangeToken> token() {
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return new DiskLimits(1, 1, 1 << 20, 1);
        }

        @Override
        public ExtentCursor allocated() {
            return ExtentCursor.whole(capacity);
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            return new Changes.Unknown("NO_TRACKING", "slow VMs track no changes");
        }

        @Override
        public DiskReader openReader() {
            return new Reader();
        }
    }

    private static final class Reader implements DiskReader {
        private volatile boolean closed;

        @Override
        public void read(long offset, ByteBuffer target) {
            pass(20);
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, "the reader was closed");
            }
            byte[] noise = new byte[target.remaining()];
            new SplittableRandom(offset).nextBytes(noise);
            target.put(noise);
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
