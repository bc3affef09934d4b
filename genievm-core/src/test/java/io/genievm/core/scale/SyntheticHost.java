package io.genievm.core.scale;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;

/**
 * A host with one VM, whose disks are functions: they take no room, whatever their size. A VM that is restored to it is
 * compared with them, every byte, and only counts as complete when it is equal.
 */
final class SyntheticHost implements HypervisorConnection, VmCreation {
    static final VmId VM = new VmId("synthetic");

    private static final int BLOCK = 4096;

    private final List<Disk> disks;
    final AtomicInteger openReaders = new AtomicInteger();
    /** Calls whose buffer did not begin at the border of a page. */
    final AtomicInteger besidePages = new AtomicInteger();

    final LongAdder zeroBlocksWritten = new LongAdder();
    volatile DiskLimits limits = DiskLimits.FILE;
    volatile Runnable beforeRead = () -> {};
    volatile Runnable beforeComplete = () -> {};
    final AtomicInteger completed = new AtomicInteger();
    volatile boolean committed;
    /** What every disk begins with, if it is not zero. */
    volatile long age;

    volatile boolean abandoned;

    /** Tells the content of a disk. */
    interface Content {
        /** Fills an array with the bytes from an offset on, which is a multiple of 4 096. */
        void fill(long offset, byte[] target, int length);
    }

    /** A disk that is allocated from its beginning to its end. */
    record Disk(String name, long capacity, Content content) {
        DiskId id() {
            return new DiskId(name);
        }
    }

    SyntheticHost(Disk... disks) {
        this.disks = List.of(disks);
    }

    @Override
    public Set<Capability> capabilities() {
        return Set.of();
    }

    @Override
    public String providerName() {
        return "synthetic";
    }

    @Override
    public String sourceId() {
        return "synthetic";
    }

    @Override
    public VmListing vms() {
        return new VmListing(List.of(new VmSummary(VM, VM.value())), List.of());
    }

    @Override
    public VmDescription describe(VmId vm) {
        return new VmDescription(
                VM,
                VM.value(),
                disks.stream()
                        .map(disk -> new VmDescription.Disk(disk.id(), disk.capacity()))
                        .toList(),
                Map.of(),
                List.of());
    }

    @Override
    public VmSnapshot beginSnapshot(VmId vm, SnapshotRequest request) {
        committed = false;
        abandoned = false;
        return new Snapshot();
    }

    @Override
    public NewVm create(NewVmRequest request) {
        return new Comparison();
    }

    @Override
    public void close() {}

    /** Makes the first block of each disk another one in each age. */
    private void fill(Disk disk, long offset, byte[] target, int length) {
        disk.content().fill(offset, target, length);
        if (offset == 0 && age > 0 && length >= Long.BYTES) {
            ByteBuffer.wrap(target).putLong(age);
        }
    }

    private Disk disk(DiskId id) {
        return disks.stream().filter(disk -> disk.id().equals(id)).findFirst().orElseThrow();
    }

    private final class Snapshot implements VmSnapshot {
        @Override
        public VmDescription description() {
            return describe(VM);
        }

        @Override
        public List<SnapshotDisk> disks() {
            return disks.stream().<SnapshotDisk>map(OpenDisk::new).toList();
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
        public void committed() {
            committed = true;
        }

        @Override
        public void abandoned() {
            abandoned = true;
        }

        @Override
        public void close() {}
    }

    private final class OpenDisk implements SnapshotDisk {
        private final Disk disk;

        OpenDisk(Disk disk) {
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
            return Optional.empty();
        }

        @Override
        public DiskLimits limits() {
            return limits;
        }

        @Override
        public ExtentCursor allocated() {
            return ExtentCursor.of(disk.capacity() == 0 ? List.of() : List.of(new Extent(0, disk.capacity())));
        }

        @Override
        public Changes changesSince(ChangeToken token) {
            return new Changes.Unknown("NO_TRACKING", "a function has no history");
        }

        @Override
        public DiskReader openReader() {
            openReaders.incrementAndGet();
            return new Reader(disk);
        }
    }

    private final class Reader implements DiskReader {
        private final Disk disk;
        private final ThreadLocal<byte[]> buffer = ThreadLocal.withInitial(() -> new byte[1 << 20]);
        private volatile boolean closed;

        Reader(Disk disk) {
            this.disk = disk;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            beforeRead.run();
            if (target.alignmentOffset(target.position(), 4096) != 0) {
                besidePages.incrementAndGet();
            }
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, "the reader was closed");
            }
            byte[] bytes = buffer.get();
            for (long at = offset; target.hasRemaining(); ) {
                int length = Math.min(bytes.length, target.remaining());
                fill(disk, at, bytes, length);
                target.put(bytes, 0, length);
                at += length;
            }
        }

        @Override
        public synchronized void close() {
            if (!closed) {
                closed = true;
                openReaders.decrementAndGet();
            }
        }
    }

    /** A new VM that keeps nothing but what was written where. */
    private final class Comparison implements NewVm {
        private final Map<DiskId, Writer> writers = new ConcurrentHashMap<>();

        @Override
        public DiskWriter openWriter(DiskId disk) {
            return writers.computeIfAbsent(disk, id -> new Writer(disk(id)));
        }

        @Override
        public VmId complete() {
            beforeComplete.run();
            writers.values().forEach(Writer::requireRestZero);
            completed.incrementAndGet();
            return new VmId("restored");
        }

        @Override
        public void close() {}
    }

    private final class Writer implements DiskWriter {
        private final Disk disk;
        private final BitSet written = new BitSet();

        Writer(Disk disk) {
            this.disk = disk;
        }

        @Override
        public DiskLimits limits() {
            return DiskLimits.FILE;
        }

        @Override
        public void write(long offset, ByteBuffer source) {
            byte[] actual = new byte[source.remaining()];
            byte[] expected = new byte[source.remaining()];
            source.get(actual);
            fill(disk, offset, expected, expected.length);
            int first = Arrays.mismatch(actual, expected);
            if (first >= 0) {
                throw different(offset + first);
            }
            byte[] zeroes = new byte[BLOCK];
            for (int at = 0; at + BLOCK <= actual.length; at += BLOCK) {
                if (Arrays.equals(actual, at, at + BLOCK, zeroes, 0, BLOCK)) {
                    zeroBlocksWritten.increment();
                }
            }
            synchronized (written) {
                int start = (int) (offset / BLOCK);
                int end = (int) ((offset + actual.length + BLOCK - 1) / BLOCK);
                if (offset % BLOCK != 0 || written.nextSetBit(start) >= 0 && written.nextSetBit(start) < end) {
                    throw new IllegalStateException("written twice at " + offset);
                }
                written.set(start, end);
            }
        }

        @Override
        public void zero(long offset, long length) {}

        @Override
        public void flush() {}

        @Override
        public void close() {}

        private void requireRestZero() {
            byte[] expected = new byte[BLOCK];
            byte[] zeroes = new byte[BLOCK];
            for (int block = written.nextClearBit(0);
                    (long) block * BLOCK < disk.capacity();
                    block = written.nextClearBit(block + 1)) {
                long offset = (long) block * BLOCK;
                int length = (int) Math.min(BLOCK, disk.capacity() - offset);
                fill(disk, offset, expected, length);
                if (!Arrays.equals(expected, 0, length, zeroes, 0, length)) {
                    throw different(offset);
                }
            }
        }

        private GenieVmException different(long offset) {
            return new GenieVmException(
                    ErrorCode.INTERNAL_ERROR, "disk " + disk.name() + " was restored wrongly at " + offset);
        }
    }

    /** The names of the threads that GenieVM has made and that are alive. */
    static List<String> threads() {
        List<String> names = new ArrayList<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().startsWith("genievm-")) {
                names.add(thread.getName());
            }
        }
        return names;
    }
}
