package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.hypervisor.VmSummary;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What every driver has to keep. Extend it and say where to test; a driver passes if every test does.
 *
 * <p>The numbers in the names are those of the rules in the package description of
 * {@code io.genievm.api.hypervisor}; tests without a number check what the methods promise.
 *
 * @since 0.1
 */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
public abstract class HypervisorProviderContract {
    private final RepositoryId repository =
            new RepositoryId(UUID.randomUUID().toString().replace("-", ""));

    private KnownVm known;
    private HypervisorConnection connection;

    /** Makes the contract for one test. */
    protected HypervisorProviderContract() {}

    /**
     * The provider under test.
     *
     * @return any instance
     */
    protected abstract HypervisorProvider provider();

    /**
     * The hypervisor to connect to.
     *
     * @return the same at each call of one test
     */
    protected abstract HypervisorConfig config();

    /**
     * A VM of that hypervisor whose disks nobody writes during the test. The more it has of empty disks, odd sizes and
     * holes, the more is tested; all must fit the heap.
     *
     * @return a VM with at least one disk
     */
    protected abstract KnownVm knownVm();

    /**
     * The optional abilities that connections to {@link #config()} have. Those that the API defines and that are not
     * named must not be there.
     *
     * @return their interfaces; none unless overridden
     */
    protected Set<Class<?>> abilities() {
        return Set.of();
    }

    /**
     * Removes a VM that a test has made. Does nothing unless overridden.
     *
     * @param vm the VM
     */
    protected void removeVm(VmId vm) {}

    @BeforeEach
    final void connect() {
        known = knownVm();
        connection = provider().open(config());
    }

    @AfterEach
    final void disconnect() {
        if (connection != null) {
            connection.close();
        }
    }

    // ---- provider and connection

    @Test
    @DisplayName("provider: name and schemes have the form that the interface gives")
    final void nameAndSchemesAreWellFormed() {
        assertThat(provider().name()).matches("[a-z][a-z0-9-]{0,31}");
        assertThat(provider().schemes()).isNotEmpty().allMatch(scheme -> scheme.matches("[a-z][a-z0-9+.-]{0,31}"));
        assertThat(provider().schemes()).contains(config().scheme());
    }

    @Test
    @DisplayName("provider: an option that is not known is refused by name")
    final void refusesUnknownOptions() {
        HypervisorConfig config = HypervisorConfig.of(config().address(), Map.of("no-such-option", "1"));

        assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> provider().open(config)))
                .hasMessageContaining("no-such-option");
    }

    @Test
    @DisplayName("connection: provider, source id and capabilities stay the same, also for another connection")
    final void sourceIdIsStable() {
        assertThat(connection.providerName()).isEqualTo(provider().name());
        assertThat(connection.sourceId()).hasSizeBetween(1, 255).isEqualTo(connection.sourceId());
        assertThat(connection.capabilities()).isEqualTo(connection.capabilities());
        try (HypervisorConnection other = provider().open(config())) {
            assertThat(other.sourceId()).isEqualTo(connection.sourceId());
        }
    }

    @Test
    @DisplayName("connection: lists the VMs in ascending order, the known one among them")
    final void listsVms() {
        List<String> ids =
                connection.vms().vms().stream().map(vm -> vm.id().value()).toList();

        assertThat(ids).isSorted().doesNotHaveDuplicates().contains(known.id().value());
    }

    @Test
    @DisplayName("connection: describes a VM with all its disks")
    final void describesVm() {
        assertIsKnown(connection.describe(known.id()));
    }

    @Test
    @DisplayName("connection: a VM that is not there is NOT_FOUND")
    final void unknownVmIsNotFound() {
        VmId unknown = new VmId("no-such-vm-" + UUID.randomUUID());

        assertFails(ErrorCode.NOT_FOUND, () -> connection.describe(unknown));
        assertFails(
                ErrorCode.NOT_FOUND,
                () -> connection.beginSnapshot(unknown, request().build()));
    }

    @Test
    @DisplayName("rule 6: a closed connection refuses every call, and ends what came from it")
    final void closeEndsEverything() {
        VmSnapshot snapshot = begin();
        SnapshotDisk disk = largest(snapshot);
        DiskReader reader = disk.openReader();

        connection.close();
        connection.close();

        assertFails(ErrorCode.CLOSED, () -> connection.vms());
        assertFails(ErrorCode.CLOSED, () -> connection.describe(known.id()));
        assertFails(
                ErrorCode.CLOSED,
                () -> connection.beginSnapshot(known.id(), request().build()));
        assertFails(ErrorCode.CLOSED, () -> readFirst(reader, disk));
        assertFails(ErrorCode.CLOSED, disk::openReader);
        reader.close();
        snapshot.close();
    }

    // ---- the life of a snapshot

    @Test
    @DisplayName("life 4: a snapshot is committed, closed, and closed again")
    final void commits() {
        VmSnapshot snapshot = begin();
        snapshot.committed();
        snapshot.close();
        snapshot.close();
        assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot is abandoned, closed, and closed again")
    final void abandons() {
        VmSnapshot snapshot = begin();
        snapshot.abandoned();
        snapshot.close();
        snapshot.close();
        assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot that is only closed does not stand in the way of the next")
    final void closesAlone() {
        begin().close();
        assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot whose connection was closed does not stand in the way of the next")
    final void losesItsConnection() {
        begin();
        connection.close();
        connection = provider().open(config());
        assertIsWhole();
    }

    @Test
    @DisplayName("snapshot: describes the VM, and gives the same disks at each call, in ascending order")
    final void givesDisks() {
        try (VmSnapshot snapshot = begin()) {
            List<SnapshotDisk> disks = snapshot.disks();

            assertIsKnown(snapshot.description());
            assertThat(disks)
                    .extracting(SnapshotDisk::id)
                    .containsExactlyElementsOf(known.disks().keySet());
            assertThat(disks).allMatch(disk -> disk.capacity() == known.disks().get(disk.id()).length);
            assertThat(disks).allMatch(disk -> disk.limits().equals(disk.limits()));
            List<SnapshotDisk> again = snapshot.disks();
            for (int i = 0; i < disks.size(); i++) {
                assertThat(again.get(i)).isSameAs(disks.get(i));
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("snapshot: an excluded disk is described and not given")
    final void leavesOutExcludedDisks() {
        DiskId excluded = known.disks().lastKey();
        SnapshotRequest request = request().excludedDisks(Set.of(excluded)).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(known.id(), request)) {
            assertThat(snapshot.disks())
                    .extracting(SnapshotDisk::id)
                    .containsExactlyElementsOf(known.disks().headMap(excluded).keySet());
            assertIsKnown(snapshot.description());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("snapshot: an excluded disk that the VM does not have is NOT_FOUND and named")
    final void refusesUnknownExcludedDisk() {
        SnapshotRequest request =
                request().excludedDisks(Set.of(new DiskId("no-such-disk"))).build();

        assertThat(assertFails(ErrorCode.NOT_FOUND, () -> connection.beginSnapshot(known.id(), request)))
                .hasMessageContaining("no-such-disk");
        assertIsWhole();
    }

    @Test
    @DisplayName("snapshot: one that nobody wants any more is CANCELLED")
    final void obeysCancellation() {
        SnapshotRequest request = request().cancellation(new Cancelled()).build();

        assertFails(ErrorCode.CANCELLED, () -> connection.beginSnapshot(known.id(), request));
        assertIsWhole();
    }

    @Test
    @DisplayName("rule 8: quiescing goes as far as was asked for, or a fact says that it does not")
    final void tellsHowFarItQuiesced() {
        for (QuiesceMode asked : QuiesceMode.values()) {
            try (VmSnapshot snapshot = connection.beginSnapshot(
                    known.id(), request().quiesce(asked).build())) {
                assertThat(snapshot.quiesced()).isLessThanOrEqualTo(asked);
                if (snapshot.quiesced() != asked) {
                    assertThat(snapshot.facts()).extracting(DriverFact::code).contains(DriverFact.QUIESCE_REFUSED);
                }
                if (!mayQuiesce(asked)) {
                    assertThat(snapshot.quiesced()).as("without the capability").isLessThan(asked);
                }
                snapshot.abandoned();
            }
        }
    }

    @Test
    @DisplayName("snapshot: facts are only added")
    final void factsStay() {
        try (VmSnapshot snapshot = begin()) {
            List<DriverFact> before = snapshot.facts();
            for (SnapshotDisk disk : snapshot.disks()) {
                Disks.extents(disk.allocated(), disk.capacity());
                Disks.read(disk);
            }
            assertThat(snapshot.facts()).startsWith(before.toArray(new DriverFact[0]));
            snapshot.abandoned();
        }
    }

    // ---- extents

    @Test
    @DisplayName("rule 1: allocated extents are ascending, disjoint, inside the capacity, and the same each time")
    final void allocatedExtentsKeepTheRules() {
        try (VmSnapshot snapshot = begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                assertThat(Disks.extents(disk.allocated(), disk.capacity())).isEqualTo(extents);
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("allocated: what is left out is zero, so that reading the rest gives every byte")
    final void whatIsNotAllocatedIsZero() {
        try (VmSnapshot snapshot = begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                assertThat(zeroOutside(extents, bytes(disk)))
                        .as("disk '%s' through its allocated extents", disk.id())
                        .isEqualTo(bytes(disk));
                assertThat(Disks.read(disk, extents)).isEqualTo(bytes(disk));
                if (!connection.capabilities().contains(Capability.ALLOCATION)) {
                    assertThat(extents.stream().mapToLong(Extent::length).sum())
                            .as("allocated without the capability")
                            .isEqualTo(disk.capacity());
                }
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("allocated: the cursor stands on an extent only after next() was true, and closes twice")
    final void cursorKeepsItsRules() {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = largest(snapshot);
            ExtentCursor cursor = disk.allocated();
            assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
            while (cursor.next()) {
                assertThat(cursor.offset()).isEqualTo(cursor.offset());
                assertThat(cursor.length()).isPositive().isEqualTo(cursor.length());
            }
            assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
            cursor.close();
            cursor.close();
            snapshot.abandoned();
        }
    }

    // ---- tokens

    @Test
    @DisplayName("tokens: only with the capability, and never changes since a token that is not the driver's own")
    final void doesNotVouchForForeignTokens() {
        boolean tracks = connection.capabilities().contains(Capability.CHANGE_TRACKING);
        try (VmSnapshot snapshot = begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                if (!tracks) {
                    assertThat(disk.token()).isEmpty();
                }
                ChangeToken foreign = new ChangeToken("genievm-contract-" + UUID.randomUUID());
                Changes changes = disk.changesSince(foreign);
                assertThat(changes).isInstanceOf(Changes.Unknown.class);
                assertThat(((Changes.Unknown) changes).reason()).matches("[A-Z][A-Z0-9_]*");
                assertThat(((Changes.Unknown) changes).message()).isNotBlank();
            }
            snapshot.abandoned();
        }
    }

    // ---- readers

    @Test
    @DisplayName("reader: gives every byte of every disk")
    final void readsEveryByte() {
        assertIsWhole();
    }

    @Test
    @DisplayName("reader: gives any aligned range, in requests of any size up to the largest")
    final void readsRanges() {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = largest(snapshot);
            int alignment = disk.limits().alignment();
            Random random = new Random(1);
            byte[] got = new byte[(int) disk.capacity()];
            try (DiskReader reader = disk.openReader()) {
                for (int i = 0; i < 100; i++) {
                    int offset = random.nextInt(got.length) / alignment * alignment;
                    int length = 1 + random.nextInt(Math.min(got.length - offset, 1 << 20));
                    Disks.read(reader, disk.limits(), new Extent(offset, length), got);
                    assertThat(slice(got, offset, length)).isEqualTo(slice(bytes(disk), offset, length));
                }
                Disks.read(reader, disk.limits(), new Extent(got.length - 1, 1), got);
                assertThat(got[got.length - 1]).as("the last byte").isEqualTo(bytes(disk)[got.length - 1]);
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("reader: as many readers with as many calls at a time as the limits say")
    final void readsInParallel() throws Exception {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = largest(snapshot);
            int readers = Math.min(4, disk.limits().readers());
            int calls = Math.min(4, disk.limits().requestsPerReader());
            List<DiskReader> open = new ArrayList<>();
            for (int i = 0; i < readers; i++) {
                open.add(disk.openReader());
            }
            List<byte[]> results = Race.of(readers * calls, runner -> () -> {
                byte[] got = new byte[(int) disk.capacity()];
                for (int i = 0; i < 5; i++) {
                    Disks.read(open.get(runner % readers), disk.limits(), new Extent(0, got.length), got);
                }
                return got;
            });
            open.forEach(DiskReader::close);

            assertThat(results).allSatisfy(got -> assertThat(got).isEqualTo(bytes(disk)));
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("rule 6: a closed reader fails with CLOSED and closes again; the disk can be read anew")
    final void closedReaderRefuses() {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = largest(snapshot);
            DiskReader reader = disk.openReader();
            readFirst(reader, disk);
            reader.close();
            reader.close();

            assertFails(ErrorCode.CLOSED, () -> readFirst(reader, disk));

            assertThat(Disks.read(disk)).isEqualTo(bytes(disk));
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("rule 5: close from another thread breaks off the calls of a reader with CLOSED")
    final void closeBreaksOffReads() throws Exception {
        for (int round = 0; round < 10; round++) {
            try (VmSnapshot snapshot = begin()) {
                SnapshotDisk disk = largest(snapshot);
                DiskReader reader = disk.openReader();
                AutoCloseable closing = round % 2 == 0 ? reader : snapshot;
                List<ErrorCode> ends = Race.of(2, runner -> () -> {
                    if (runner == 0) {
                        Thread.sleep(5);
                        closing.close();
                        return ErrorCode.CLOSED;
                    }
                    return readUntilFailure(reader, disk);
                });

                assertThat(ends).containsOnly(ErrorCode.CLOSED);
                reader.close();
            }
        }
    }

    @Test
    @DisplayName("confirmUnchanged: a disk that nobody writes has not changed")
    final void confirmsUnchanged() {
        try (VmSnapshot snapshot = begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                Disks.read(disk);
                disk.confirmUnchanged();
            }
            snapshot.committed();
        }
    }

    // ---- abilities

    @Test
    @DisplayName("rule 10: the abilities of the API are there if and only if the driver says so")
    final void abilitiesAreAsDeclared() {
        for (Class<?> ability : List.<Class<?>>of(VmCreation.class, DiskWriting.class)) {
            assertThat(connection.ability(ability).isPresent())
                    .as("ability %s", ability.getSimpleName())
                    .isEqualTo(abilities().contains(ability));
        }
        for (Class<?> ability : abilities()) {
            assertThat(connection.ability(ability)).get().isInstanceOf(ability);
        }
        assertThat(connection.ability(HypervisorProviderContract.class)).isEmpty();
    }

    @Test
    @DisplayName("creation: a new VM has the bytes that were written, out of order, and zeroes elsewhere")
    final void createsVm() {
        connection.ability(VmCreation.class).ifPresent(creation -> {
            VmCreation.NewVmRequest request = newVm(Cancellation.NEVER);
            VmId id;
            try (VmCreation.NewVm vm = creation.create(request)) {
                known.disks().forEach((disk, bytes) -> fill(vm, disk, bytes));
                assertThat(ids()).as("VMs before it is complete").doesNotContain(request.name());
                id = vm.complete();
            }
            try (VmSnapshot snapshot = connection.beginSnapshot(id, request().build())) {
                assertThat(snapshot.disks()).hasSameSizeAs(known.disks().keySet());
                for (SnapshotDisk disk : snapshot.disks()) {
                    assertThat(Disks.read(disk)).isEqualTo(bytes(disk));
                }
                snapshot.abandoned();
            } finally {
                removeVm(id);
            }
        });
    }

    @Test
    @DisplayName("creation: a VM that was not completed is not there")
    final void removesIncompleteVm() {
        connection.ability(VmCreation.class).ifPresent(creation -> {
            List<VmSummary> before = connection.vms().vms();
            VmCreation.NewVm vm = creation.create(newVm(Cancellation.NEVER));
            known.disks().forEach((disk, bytes) -> fill(vm, disk, bytes));
            vm.close();
            vm.close();

            assertThat(connection.vms().vms()).isEqualTo(before);
        });
    }

    @Test
    @DisplayName("creation: a name that is taken is ALREADY_EXISTS, at once or at completion")
    final void doesNotReplaceVm() {
        connection.ability(VmCreation.class).ifPresent(creation -> {
            VmCreation.NewVmRequest request = newVm(Cancellation.NEVER);
            try (VmCreation.NewVm first = creation.create(request);
                    VmCreation.NewVm second = creation.create(request)) {
                VmId id = first.complete();
                try {
                    assertFails(ErrorCode.ALREADY_EXISTS, second::complete);
                    assertFails(ErrorCode.ALREADY_EXISTS, () -> creation.create(request));
                    assertThat(Collections.frequency(ids(), request.name())).isEqualTo(1);
                } finally {
                    removeVm(id);
                }
            }
        });
    }

    @Test
    @DisplayName("creation: unknown options are refused by name, cancelled requests end")
    final void refusesBadCreation() {
        connection.ability(VmCreation.class).ifPresent(creation -> {
            List<VmSummary> before = connection.vms().vms();
            VmCreation.NewVmRequest good = newVm(Cancellation.NEVER);
            VmCreation.NewVmRequest optioned = new VmCreation.NewVmRequest(
                    good.name(), good.disks(), Map.of(), Map.of("no-such-option", "1"), Cancellation.NEVER);

            assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> creation.create(optioned)))
                    .hasMessageContaining("no-such-option");
            assertFails(ErrorCode.CANCELLED, () -> creation.create(newVm(new Cancelled())));

            assertThat(connection.vms().vms()).isEqualTo(before);
        });
    }

    private VmSnapshot begin() {
        return connection.beginSnapshot(known.id(), request().build());
    }

    private SnapshotRequest.Builder request() {
        return SnapshotRequest.builder(
                        repository, new SessionId(UUID.randomUUID().toString().replace("-", "")))
                .endedSessions(session -> true);
    }

    private VmCreation.NewVmRequest newVm(Cancellation cancellation) {
        List<VmDescription.Disk> disks = known.disks().entrySet().stream()
                .map(disk -> new VmDescription.Disk(disk.getKey(), disk.getValue().length))
                .toList();
        return new VmCreation.NewVmRequest("contract-" + UUID.randomUUID(), disks, Map.of(), Map.of(), cancellation);
    }

    /** Writes the second half first, garbage into a part that is zeroed later, and then the first half. */
    private static void fill(VmCreation.NewVm vm, DiskId disk, byte[] bytes) {
        try (DiskWriter writer = vm.openWriter(disk)) {
            int alignment = writer.limits().alignment();
            int half = bytes.length / 2 / alignment * alignment;
            Disks.write(writer, bytes, half, bytes.length);
            if (half > 0) {
                byte[] garbage = new byte[half];
                new Random(3).nextBytes(garbage);
                Disks.write(writer, garbage, 0, half);
                writer.zero(0, half);
                writeNonZero(writer, bytes, half);
            }
            writer.flush();
        }
    }

    private static void writeNonZero(DiskWriter writer, byte[] bytes, int end) {
        int step = 65_536;
        for (int at = 0; at < end; at += step) {
            int until = Math.min(end, at + step);
            for (int i = at; i < until; i++) {
                if (bytes[i] != 0) {
                    Disks.write(writer, bytes, at, until);
                    break;
                }
            }
        }
    }

    private List<String> ids() {
        return connection.vms().vms().stream().map(VmSummary::name).toList();
    }

    private boolean mayQuiesce(QuiesceMode mode) {
        return switch (mode) {
            case NONE -> true;
            case FILE_SYSTEM -> connection.capabilities().contains(Capability.QUIESCE_FILE_SYSTEM);
            case APPLICATION -> connection.capabilities().contains(Capability.QUIESCE_APPLICATION);
        };
    }

    private void assertIsKnown(VmDescription description) {
        assertThat(description.id()).isEqualTo(known.id());
        assertThat(description.name()).isNotEmpty();
        assertThat(description.disks())
                .containsExactlyElementsOf(known.disks().entrySet().stream()
                        .map(disk -> new VmDescription.Disk(disk.getKey(), disk.getValue().length))
                        .toList());
    }

    /** Takes a new snapshot, which shows that nothing stands in its way, and reads every byte. */
    private void assertIsWhole() {
        try (VmSnapshot snapshot = begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                assertThat(Disks.read(disk)).as("disk '%s'", disk.id()).isEqualTo(bytes(disk));
            }
            snapshot.abandoned();
        }
    }

    private byte[] bytes(SnapshotDisk disk) {
        return known.disks().get(disk.id());
    }

    private static SnapshotDisk largest(VmSnapshot snapshot) {
        SnapshotDisk largest = Collections.max(snapshot.disks(), (a, b) -> Long.compare(a.capacity(), b.capacity()));
        assertThat(largest.capacity()).as("the largest disk of the known VM").isPositive();
        return largest;
    }

    private static void readFirst(DiskReader reader, SnapshotDisk disk) {
        int length = (int) Math.min(disk.limits().alignment(), disk.capacity());
        reader.read(0, ByteBuffer.allocateDirect(length));
    }

    private static ErrorCode readUntilFailure(DiskReader reader, SnapshotDisk disk) {
        byte[] into = new byte[(int) disk.capacity()];
        try {
            while (true) {
                Disks.read(reader, disk.limits(), new Extent(0, into.length), into);
            }
        } catch (GenieVmException e) {
            return e.code();
        }
    }

    private static byte[] zeroOutside(List<Extent> extents, byte[] bytes) {
        byte[] copy = new byte[bytes.length];
        for (Extent extent : extents) {
            System.arraycopy(bytes, (int) extent.offset(), copy, (int) extent.offset(), (int) extent.length());
        }
        return copy;
    }

    private static byte[] slice(byte[] bytes, int offset, int length) {
        return Arrays.copyOfRange(bytes, offset, offset + length);
    }

    /** Cancelled from the beginning. */
    private static final class Cancelled implements Cancellation {
        @Override
        public boolean isCancelled() {
            return true;
        }

        @Override
        public void onCancel(Runnable action) {
            action.run();
        }
    }
}
