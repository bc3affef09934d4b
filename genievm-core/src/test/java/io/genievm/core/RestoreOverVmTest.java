package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.Interposed;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import io.genievm.core.testing.Seeds;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryHypervisor.Call;
import io.genievm.testkit.InMemoryVm;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Restores over the disks of a VM that exists: only what differs is written. */
class RestoreOverVmTest {
    private static final VmId WEB = new VmId("web");
    private static final int CHUNK = Lab.SMALL.chunkSize();
    private static final int CAPACITY = 1_000_001;
    private static final int LAST_CHUNK = CAPACITY % CHUNK;

    private final Lab lab = new Lab();
    private final List<InMemoryHypervisor.Event> writes = Collections.synchronizedList(new ArrayList<>());
    private InMemoryVm vm;
    private InMemoryDisk root;
    private InMemoryDisk data;
    private Map<DiskId, byte[]> truth;
    private BackupReport point;

    @BeforeEach
    void prepare() {
        vm = lab.hypervisor().addVm("web");
        root = vm.addDisk("root", CAPACITY);
        root.write(0, Lab.random(1, 600_000));
        // Between them zeroes; the end is within a chunk.
        root.write(800_000, Lab.random(2, CAPACITY - 800_000));
        data = vm.addDisk("data", Lab.random(3, 300_000));
        vm.addDisk("empty", 0);
        point = lab.backup("web");
        truth = lab.truth(point.point());
        vm.shutOff(true);
        lab.hypervisor().hook(this::note);
    }

    @AfterEach
    void close() {
        lab.close();
    }

    private void note(InMemoryHypervisor.Event event) {
        if (event.call() == Call.WRITE || event.call() == Call.ZERO) {
            writes.add(event);
        }
    }

    @Test
    @DisplayName("what is the same is neither fetched nor written")
    void same() {
        lab.store().forgetLog();

        RestoreReport report = restore();

        assertThat(writes).isEmpty();
        assertThat(report.writtenBytes()).isZero();
        assertThat(report.comparedBytes()).isEqualTo(CAPACITY + 300_000);
        assertThat(report.vm()).isEqualTo(WEB);
        assertThat(report.files()).isEmpty();
        assertThat(report.point()).isEqualTo(point.point());
    }

    @Test
    @DisplayName(
            "of some changed bytes just their chunks are written, neighbours together, also the last one, which is not whole")
    void fewChunks() {
        root.write(3 * CHUNK + 17, new byte[] {1});
        root.write(11 * CHUNK - 1, new byte[] {2, 3});
        root.write(CAPACITY - 1, new byte[] {4});

        RestoreReport report = restore();

        assertThat(report.writtenBytes()).isEqualTo(3 * CHUNK + LAST_CHUNK);
        assertThat(writes)
                .extracting(InMemoryHypervisor.Event::extent)
                .containsExactlyInAnyOrder(
                        new Extent(3L * CHUNK, CHUNK),
                        new Extent(10L * CHUNK, 2L * CHUNK),
                        new Extent(CAPACITY - LAST_CHUNK, LAST_CHUNK));
        assertRestored();
    }

    @Test
    @DisplayName("where the point has zeroes, zeroes are made; what was zeroed is written")
    void zeroes() {
        root.write(650_000, Lab.random(4, 100_000));
        data.zero(0, 300_000);

        RestoreReport report = restore();

        assertThat(report.writtenBytes()).isEqualTo(300_000);
        assertThat(writes)
                .filteredOn(event -> event.call() == Call.ZERO)
                .singleElement()
                .satisfies(event -> {
                    assertThat(event.disk()).isEqualTo(root.id());
                    assertThat(event.extent()).isEqualTo(new Extent(158L * CHUNK, 26L * CHUNK));
                });
        assertRestored();
    }

    @Test
    @DisplayName("zeroes within a chunk that differs are made as well")
    void zeroesWithinChunks() {
        try (Lab large = new Lab(new RepositoryOptions(65_536, 256 << 10, 1 << 20))) {
            InMemoryVm db = large.hypervisor().addVm("db");
            InMemoryDisk disk = db.addDisk("root", 200_000);
            disk.write(20_000, Lab.random(1, 10_000));
            disk.write(190_000, Lab.random(2, 5_000));
            BackupReport report = large.backup("db");
            db.shutOff(true);
            disk.write(0, Lab.random(3, 200_000));
            disk.limits(new DiskLimits(1, 1, 65_536, 512));

            RestoreReport restored = Lab.await(large.repository()
                    .restore(RestoreRequest.builder(db.id())
                            .overVm(large.connection(), db.id())
                            .build()));

            assertThat(disk.content()).isEqualTo(large.truth(report.point()).get(disk.id()));
            assertThat(restored.writtenBytes()).isLessThan(30_000);
        }
    }

    @Test
    @DisplayName("whatever the disks hold, they are as in the point afterwards, within the driver's limits")
    void anything() {
        Seeds.run(RestoreOverVmTest.class, "anything", 10, random -> {
            root.limits(new DiskLimits(1, 1 + random.nextInt(3), 65_536, 1 << random.nextInt(13)));
            BitSet changed = new BitSet();
            for (int i = 0; i < 20; i++) {
                int length = 1 + random.nextInt(20_000);
                int at = random.nextInt(CAPACITY - length);
                if (random.nextBoolean()) {
                    root.zero(at, length);
                } else {
                    root.write(at, Lab.random(random.nextInt(), length));
                }
                changed.set(at / CHUNK, (at + length - 1) / CHUNK + 1);
            }
            RestoreReport report = restore();

            assertRestored();
            assertThat(report.writtenBytes()).isLessThanOrEqualTo((long) changed.cardinality() * CHUNK);
            assertThat(restore().writtenBytes()).isZero();
        });
    }

    @Test
    @DisplayName("another VM can be restored over, and only some of the disks")
    void otherVm() {
        InMemoryVm other = lab.hypervisor().addVm("other");
        other.shutOff(true);
        other.addDisk("root", 10);
        InMemoryDisk restored = other.addDisk("data", 300_000);

        RestoreReport report = Lab.await(lab.repository()
                .restore(RestoreRequest.builder(WEB)
                        .disks(Set.of(data.id()))
                        .overVm(lab.connection(), other.id())
                        .build()));

        assertThat(restored.content()).isEqualTo(truth.get(data.id()));
        assertThat(report.vm()).isEqualTo(other.id());
        assertThat(report.disks()).extracting(RestorePoint.Disk::id).containsExactly(data.id());
        assertThat(report.writtenBytes()).isEqualTo(300_000);
    }

    @Test
    @DisplayName("a disk of another size is refused with both sizes, before any disk is written")
    void otherCapacity() {
        data.write(0, Lab.random(9, 300_000));
        root.resize(CAPACITY + 4096);

        GenieVmException failure = Lab.failureOf(begin());

        assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT);
        assertThat(failure)
                .hasMessageContaining("'root'")
                .hasMessageContaining(Integer.toString(CAPACITY))
                .hasMessageContaining(Integer.toString(CAPACITY + 4096));
        assertNothingWritten();
    }

    @Test
    @DisplayName("a disk that the VM does not have is refused before any disk is written")
    void missingDisk() {
        data.write(0, Lab.random(9, 300_000));
        vm.removeDisk("root");

        assertThat(Lab.failureOf(begin()).code()).isEqualTo(ErrorCode.NOT_FOUND);
        assertNothingWritten();
    }

    @Test
    @DisplayName("a VM that runs is refused")
    void running() {
        data.write(0, Lab.random(9, 300_000));
        vm.shutOff(false);

        assertThat(Lab.failureOf(begin()).code()).isEqualTo(ErrorCode.BUSY);
        assertNothingWritten();
    }

    @Test
    @DisplayName("a driver that can not write into disks is refused by name")
    void noAbility() {
        GenieVmException failure = Lab.failureOf(begin(Interposed.withoutAbilities(lab.connection())));

        assertThat(failure.code()).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThat(failure).hasMessageContaining(lab.connection().providerName());
    }

    @Test
    @DisplayName("damaged ranges keep what they held, all else is restored, and the failure says so")
    void damagedData() {
        PlainSegment segment = damage(1);
        byte[] other = Lab.random(9, CAPACITY);
        root.write(0, other);
        BitSet lost = lost("root", segment);
        assertThat(lost.cardinality()).isPositive();
        byte[] expected = Objects.requireNonNull(truth.get(root.id())).clone();
        lost.stream()
                .forEach(chunk -> System.arraycopy(
                        other, chunk * CHUNK, expected, chunk * CHUNK, Math.min(CHUNK, CAPACITY - chunk * CHUNK)));

        GenieVmException failure = Lab.failureOf(begin());

        assertThat(failure)
                .isInstanceOf(DamagedPointException.class)
                .hasMessageContaining("'root'")
                .hasMessageContaining("partly restored");
        assertThat(root.content()).isEqualTo(expected);
        assertThat(data.content()).isEqualTo(truth.get(data.id()));
        assertThat(lab.hypervisor().openReaders()).isZero();
    }

    @Test
    @DisplayName("what is damaged in the point and the same on the disk is not missed")
    void damagedButThere() {
        damage(1);
        data.write(299_999, new byte[] {1});

        restore();

        assertRestored();
    }

    @Test
    @DisplayName("a point whose maps can not be read is refused before anything is written")
    void damagedMap() {
        damage(2);
        root.write(0, Lab.random(9, 600_000));
        Map<DiskId, byte[]> before = lab.contentOf(WEB);

        GenieVmException failure = Lab.failureOf(begin());

        assertThat(failure).isInstanceOf(DamagedPointException.class).hasMessageContaining("nothing was written");
        assertNothingWritten();
        before.forEach(
                (disk, bytes) -> assertThat(vm.disk(disk.value()).content()).isEqualTo(bytes));
    }

    @Test
    @DisplayName("a cancelled restore says that the disks are a mixture, and another one finishes it")
    void cancelled() {
        root.write(0, Lab.random(9, 600_000));
        CompletableFuture<TaskHandle<RestoreReport>> task = new CompletableFuture<>();
        lab.hypervisor().hook(event -> {
            note(event);
            if (event.call() == Call.WRITE && writes.size() == 2) {
                task.join().cancel();
            }
        });
        task.complete(begin());

        GenieVmException failure = Lab.failureOf(task.join());

        assertThat(failure).isInstanceOf(TaskCancelledException.class).hasMessageContaining("mixture");
        assertThat(root.content()).isNotEqualTo(truth.get(root.id()));
        assertThat(lab.hypervisor().openReaders()).isZero();
        lab.hypervisor().removeHook();
        assertThat(restore().writtenBytes()).isPositive().isLessThan(600_000);
        assertRestored();
    }

    @Test
    @DisplayName("a restore that is cancelled while it compares has written nothing and says nothing of a mixture")
    void cancelledEarly() {
        root.write(0, Lab.random(9, 600_000));
        CompletableFuture<TaskHandle<RestoreReport>> task = new CompletableFuture<>();
        lab.hypervisor().hook(event -> {
            note(event);
            if (event.call() == Call.READ) {
                task.join().cancel();
            }
        });
        task.complete(begin());

        assertThat(Lab.failureOf(task.join()))
                .isInstanceOf(TaskCancelledException.class)
                .message()
                .doesNotContain("mixture");
        assertNothingWritten();
    }

    @Test
    @DisplayName("a write or flush that fails is told with its code, and that the disks are a mixture")
    void failingWrite() {
        for (Call failing : List.of(Call.WRITE, Call.FLUSH)) {
            root.write(0, Lab.random(9, 600_000));
            lab.hypervisor().hook(event -> {
                if (event.call() == failing) {
                    throw new GenieVmException(ErrorCode.NO_SPACE, "no space");
                }
            });

            GenieVmException failure = Lab.failureOf(begin());

            assertThat(failure.code()).isEqualTo(ErrorCode.NO_SPACE);
            assertThat(failure).hasMessageContaining("no space").hasMessageContaining("mixture");
            assertThat(lab.hypervisor().openReaders()).isZero();
        }
        lab.hypervisor().removeHook();
        restore();
        assertRestored();
    }

    /** Damages the first segment of a type without which the root disk can not be had. */
    private PlainSegment damage(int type) {
        PlainSegment segment = new PlainRepository(lab.store().content())
                .segments().stream()
                        .filter(each -> each.type() == type
                                && !lost("root", each).isEmpty()
                                // A segment may hold chunks of both disks: which, is up to the workers.
                                && (type != 1 || !lost("data", each).get(299_999 / CHUNK)))
                        .findFirst()
                        .orElseThrow();
        byte[] pack = lab.store().bytes(segment.pack()).clone();
        Arrays.fill(pack, segment.offset() + segment.header(), segment.end(), (byte) 0x55);
        lab.store().replace(segment.pack(), pack);
        return segment;
    }

    private BitSet lost(String id, PlainSegment segment) {
        PlainRepository plain = new PlainRepository(lab.store().content());
        PlainRepository.PlainDisk disk = plain.disks().stream()
                .filter(each -> each.disk().equals(id))
                .findFirst()
                .orElseThrow();
        return plain.lost(disk, Set.of(segment));
    }

    @Test
    @DisplayName("a driver that leaves bytes unwritten is not believed, whatever it does to the buffer")
    void leftUnwritten() {
        root.write(0, new byte[2 * CHUNK]);
        List<Consumer<ByteBuffer>> drivers = List.of(
                buffer -> buffer.position(buffer.limit() - 1),
                buffer -> buffer.limit(buffer.limit() - 1).position(buffer.limit()),
                ByteBuffer::flip,
                buffer -> {});
        for (Consumer<ByteBuffer> driver : drivers) {
            GenieVmException failure = Lab.failureOf(begin(Interposed.notWriting(lab.connection(), driver)));

            assertThat(failure.code()).isEqualTo(ErrorCode.DRIVER_CONTRACT_BROKEN);
            assertThat(failure).hasMessageContaining("'root'").hasMessageContaining("unwritten");
        }
        restore();
        assertRestored();
    }

    private RestoreReport restore() {
        return Lab.await(begin());
    }

    private TaskHandle<RestoreReport> begin() {
        return begin(lab.connection());
    }

    private TaskHandle<RestoreReport> begin(HypervisorConnection connection) {
        return lab.repository()
                .restore(RestoreRequest.builder(WEB).overVm(connection, WEB).build());
    }

    private void assertRestored() {
        truth.forEach((disk, bytes) ->
                assertThat(vm.disk(disk.value()).content()).as(disk.value()).isEqualTo(bytes));
        assertThat(lab.hypervisor().openReaders()).isZero();
    }

    private void assertNothingWritten() {
        assertThat(writes).isEmpty();
        assertThat(lab.hypervisor().openReaders()).isZero();
    }
}
