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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * What every driver has to keep. Extend it and say where to test; a driver passes if every test does.
 *
 * <p>The numbers in the names are those of the rules in the package description of
 * {@code io.genievm.api.hypervisor}: of the life of a backup, of the rules for every driver, and of those for change tokens
 * ("token 1"). Tests without a number check what the methods promise.
 *
 * <p>A driver with {@link Capability#CHANGE_TRACKING} overrides {@link #write}. One without it is
 * tested to say so: no disk has a token, and all changes are unknown.
 *
 * @since 0.1
 */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
public abstract class HypervisorProviderContract {
    private final RepositoryId repository = newRepository();

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
     * A VM of that hypervisor whose disks nobody writes during the test, other than by {@link #write} and {@link #zero}.
     * It has no or at least two {@link #trackedDisks()}. The more it has of empty disks, odd sizes and
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

    /**
     * The disks of the known VM for which the driver makes tokens. Those that are not named must not have one. A driver
     * that only passes on the marks that others make names no disk: the life of such tokens is not in its hands, and the
     * tests about it are aborted.
     *
     * @return their ids; all disks unless overridden
     */
    protected Set<DiskId> trackedDisks() {
        return known.disks().keySet();
    }

    /**
     * Writes a disk of the known VM as its guest does, also while a snapshot is open. Overridden for every driver with
     * {@link Capability#CHANGE_TRACKING}.
     *
     * @param vm the known VM
     * @param disk one of the {@link #trackedDisks()}
     * @param offset the first byte, not aligned to anything
     * @param bytes what to write, 1 byte or more, inside the disk; durable and recorded when this returns
     */
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) {
        throw new AssertionError(
                "The driver declares CHANGE_TRACKING. Override HypervisorProviderContract.write so that "
                        + "the contract can write disk '" + disk + "' of VM '" + vm + "', or do not declare it.");
    }

    /**
     * Makes a range of a disk of the known VM read as zeroes, by a discard where there is such a thing.
     *
     * @param vm the known VM
     * @param disk one of the {@link #trackedDisks()}
     * @param offset the first byte, not aligned to anything
     * @param length bytes, 1 or more, inside the disk; {@link #write written} as zeroes unless overridden
     */
    protected void zero(VmId vm, DiskId disk, long offset, long length) {
        write(vm, disk, offset, new byte[Math.toIntExact(length)]);
    }

    /**
     * Makes the hypervisor forget all tokens of a disk, as the crash of a host would. A driver for which that can be
     * done in a test overrides it; the test is aborted otherwise.
     *
     * @param vm the known VM
     * @param disk one of the {@link #trackedDisks()}
     */
    protected void loseTracking(VmId vm, DiskId disk) {
        Assumptions.abort(
                "how tracking is lost is not told: HypervisorProviderContract.loseTracking is not overridden");
    }

    /**
     * Says whether a token that was dropped is unknown. A hypervisor whose tokens are mere numbers that it understands for
     * ever has nothing to drop; what it answers must then be complete.
     *
     * @return true unless overridden
     */
    protected boolean forgetsDroppedTokens() {
        return true;
    }

    /**
     * A VM of that hypervisor that is shut off, into whose disks the tests of {@link DiskWriting} write. They put back what
     * was there. It may be the known VM.
     *
     * @return a VM with at least one disk that is not empty; all disks fit the heap
     */
    protected KnownVm writableVm() {
        throw new AssertionError(
                "The driver has DiskWriting. Override HypervisorProviderContract.writableVm so that the "
                        + "contract has a VM to write into, or do not have the ability.");
    }

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
    @DisplayName("rule 5: a closed connection refuses every call, and ends what came from it")
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
    @DisplayName("rule 7: quiescing goes as far as was asked for, or a fact says that it does not")
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

    @Test
    @DisplayName("rule 7: facts have a word for programs, a sentence for people, and name disks that the VM has")
    final void factsAreWellFormed() {
        assertAreWellFormed(connection.vms().facts(), null);
        assertAreWellFormed(
                connection.describe(known.id()).facts(), known.disks().keySet());
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        known.disks().keySet().forEach(disk -> parents.put(disk, new ChangeToken("no-such-token")));
        begin().close();
        SnapshotRequest request =
                request(repository, parents).quiesce(QuiesceMode.APPLICATION).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(known.id(), request)) {
            for (SnapshotDisk disk : snapshot.disks()) {
                disk.changesSince(parents.get(disk.id()));
                Disks.read(disk);
                disk.confirmUnchanged();
            }
            assertAreWellFormed(snapshot.facts(), known.disks().keySet());
            assertAreWellFormed(snapshot.description().facts(), known.disks().keySet());
            if (connection.capabilities().contains(Capability.CHANGE_TRACKING)) {
                List<DriverFact> facts = snapshot.facts();
                assertThat(trackedDisks())
                        .as("disks whose unknown token is told, by rule 9 for change tokens: %s", facts)
                        .allMatch(disk -> facts.stream()
                                .anyMatch(fact ->
                                        fact.code().equals(DriverFact.TRACKING_LOST) && disk.equals(fact.disk())));
            }
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
            assertKeepsItsRules(disk.allocated(), disk.capacity());
            snapshot.abandoned();
        }
    }

    // ---- tokens

    @Test
    @DisplayName("token 10: without the capability no disk has a token, and every answer is unknown")
    final void refusesToTrackWithoutCapability() {
        if (!connection.capabilities().contains(Capability.CHANGE_TRACKING)) {
            assertDoesNotTrack();
        }
    }

    @Test
    @DisplayName("token 1: every tracked disk has a token, the same at each call, and none is given out twice")
    final void tokensAreUnique() {
        if (!tracks()) {
            return;
        }
        List<ChangeToken> tokens = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            try (VmSnapshot snapshot = begin()) {
                for (SnapshotDisk disk : snapshot.disks()) {
                    assertThat(disk.token().isPresent())
                            .as("disk '%s' has a token", disk.id())
                            .isEqualTo(trackedDisks().contains(disk.id()));
                    assertThat(disk.token()).as("at the second call").isEqualTo(disk.token());
                    disk.token().ifPresent(tokens::add);
                }
                snapshot.committed();
            }
        }
        assertThat(tokens).hasSize(3 * trackedDisks().size()).doesNotHaveDuplicates();
    }

    @Test
    @DisplayName("token 1: what is written while the snapshot is open is none of its, and is in the next list")
    final void tokenIsOfTheSnapshotsMoment() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens;
        try (VmSnapshot snapshot = begin()) {
            contents.writeEdges();
            for (SnapshotDisk disk : tracked(snapshot)) {
                KnownContents.assertHolds(disk, before.get(disk.id()));
            }
            tokens = tokens(snapshot);
            snapshot.committed();
        }
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 2: the list keeps the rules for extents and holds every byte that was written or zeroed")
    final void listsEveryWrite() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            Map<DiskId, byte[]> now = contents.now();
            assertCovers(snapshot, tokens, before, now);
            for (SnapshotDisk disk : tracked(snapshot)) {
                KnownContents.assertHolds(disk, now.get(disk.id()));
            }
            snapshot.committed();
        }
    }

    @Test
    @DisplayName("token 2: that nothing was written is known, and so is what changed since the snapshot's own token")
    final void knowsThatNothingWasWritten() {
        if (!tracks()) {
            return;
        }
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        for (int i = 0; i < 2; i++) {
            try (VmSnapshot snapshot = begin(repository, tokens)) {
                for (SnapshotDisk disk : tracked(snapshot)) {
                    extents(disk, token(tokens, disk));
                }
                Map<DiskId, ChangeToken> own = tokens(snapshot);
                snapshot.committed();
                tokens = own;
            }
        }
    }

    @Test
    @DisplayName("token 2: changes can be asked for twice, and by several threads, also while others are being read")
    final void answersAgain() throws Exception {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            Map<DiskId, byte[]> now = contents.now();
            for (SnapshotDisk disk : tracked(snapshot)) {
                try (ExtentCursor open = known(disk, token(tokens, disk))) {
                    boolean any = open.next();
                    List<List<Extent>> lists = Race.of(2, runner -> () -> extents(disk, token(tokens, disk)));
                    lists.forEach(
                            list -> KnownContents.assertCovers(disk, list, before.get(disk.id()), now.get(disk.id())));
                    List<Extent> rest =
                            any ? new ArrayList<>(List.of(new Extent(open.offset(), open.length()))) : List.of();
                    while (any && open.next()) {
                        rest.add(new Extent(open.offset(), open.length()));
                    }
                    KnownContents.assertCovers(disk, rest, before.get(disk.id()), now.get(disk.id()));
                }
            }
            assertCovers(snapshot, tokens, before, now);
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 2: the cursor stands on an extent only after next() was true, and closes twice")
    final void changesCursorKeepsItsRules() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            for (SnapshotDisk disk : tracked(snapshot)) {
                assertKeepsItsRules(known(disk, token(tokens, disk)), disk.capacity());
                // One that is not read to its end.
                ExtentCursor cursor = known(disk, token(tokens, disk));
                cursor.next();
                cursor.close();
                cursor.close();
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 3: a token that is not the driver's own is unknown, and no failure")
    final void doesNotVouchForForeignTokens() {
        ChangeToken foreign = new ChangeToken("genievm-contract-" + UUID.randomUUID());
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        known.disks().keySet().forEach(disk -> parents.put(disk, foreign));
        for (Map<DiskId, ChangeToken> given : List.of(Map.<DiskId, ChangeToken>of(), parents)) {
            try (VmSnapshot snapshot = begin(repository, given)) {
                for (SnapshotDisk disk : snapshot.disks()) {
                    assertUnknown(disk.changesSince(foreign));
                    assertUnknown(disk.changesSince(new ChangeToken("/")));
                    assertUnknown(disk.changesSince(new ChangeToken("\u00e4".repeat(2048))));
                }
                snapshot.abandoned();
            }
        }
    }

    @Test
    @DisplayName("token 3: a token of another disk is unknown")
    final void doesNotVouchForTokensOfOtherDisks() {
        if (!tracks()) {
            return;
        }
        assertThat(trackedDisks()).as("tracked disks of the known VM").hasSizeGreaterThan(1);
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            Map<DiskId, ChangeToken> own = tokens(snapshot);
            for (SnapshotDisk disk : tracked(snapshot)) {
                for (DiskId other : trackedDisks()) {
                    if (!other.equals(disk.id())) {
                        assertUnknown(disk.changesSince(tokens.get(other)));
                        assertUnknown(disk.changesSince(own.get(other)));
                    }
                }
            }
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 4: in a chain of commits, over several connections, every list holds what its parent lacks")
    final void tracksAlongAChain() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        List<Map<DiskId, byte[]>> states = new ArrayList<>(List.of(contents.now()));
        List<Map<DiskId, ChangeToken>> chain = new ArrayList<>(List.of(backUp(repository, Map.of())));
        for (int i = 1; i <= 5; i++) {
            contents.writeSome();
            states.add(contents.now());
            if (i == 3) {
                connection.close();
                connection = provider().open(config());
            }
            try (VmSnapshot snapshot = begin(repository, chain.get(i - 1))) {
                assertCovers(snapshot, chain.get(i - 1), states.get(i - 1), states.get(i));
                for (int older = 0; older < i - 1; older++) {
                    assertUnknownOrCovers(snapshot, chain.get(older), states.get(older), states.get(i));
                }
                chain.add(tokens(snapshot));
                snapshot.committed();
            }
        }
    }

    @Test
    @DisplayName("token 5: after abandoned() the parent's tokens are good as ever, and the new ones are dropped")
    final void abandonedKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> abandoned;
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            abandoned = tokens(snapshot);
            snapshot.abandoned();
        }
        contents.writeSome();
        // No session has ended, so that nothing but abandoned() can have dropped them.
        SnapshotRequest next =
                request(repository, tokens).endedSessions(session -> false).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(known.id(), next)) {
            assertCovers(snapshot, tokens, before, contents.now());
            assertDropped(snapshot, abandoned, between, contents.now());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 5: a snapshot that could not be begun leaves the parent's tokens")
    final void failedBeginKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeSome();
        SnapshotRequest unwanted =
                request(repository, tokens).cancellation(new Cancelled()).build();
        assertFails(ErrorCode.CANCELLED, () -> connection.beginSnapshot(known.id(), unwanted));
        SnapshotRequest wrong = request(repository, tokens)
                .excludedDisks(Set.of(new DiskId("no-such-disk")))
                .build();
        assertFails(ErrorCode.NOT_FOUND, () -> connection.beginSnapshot(known.id(), wrong));
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 6: after close() alone, or the end of the connection, the parent's tokens are good as ever")
    final void closeAloneKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeSome();
        begin(repository, tokens).close();
        contents.writeSome();
        begin(repository, tokens);
        connection.close();
        connection = provider().open(config());
        contents.writeSome();
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 6: after close() alone the new tokens are good, and a parent's if its point came to be")
    final void closeAloneKeepsTheNew() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> dead;
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            dead = tokens(snapshot);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = begin(repository, dead)) {
            assertCovers(snapshot, dead, between, contents.now());
            snapshot.abandoned();
        }
        try (VmSnapshot snapshot = begin(repository, dead)) {
            assertCovers(snapshot, dead, between, contents.now());
            snapshot.committed();
        }
    }

    @Test
    @DisplayName("token 6: tokens of a session that has ended without a point are cleared by the next snapshot")
    final void clearsTokensOfTheDead() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> dead;
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            dead = tokens(snapshot);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = begin(repository, tokens)) {
            assertDropped(snapshot, dead, between, contents.now());
            snapshot.committed();
        }
    }

    @Test
    @DisplayName("token 6: tokens of a session that may still live are left alone, or the answer is BUSY")
    final void sparesTokensOfTheLiving() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> living;
        try (VmSnapshot snapshot = begin()) {
            living = tokens(snapshot);
        }
        contents.writeSome();
        SnapshotRequest other =
                request(repository, Map.of()).endedSessions(session -> false).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(known.id(), other)) {
            snapshot.committed();
        } catch (GenieVmException e) {
            assertThat(e.code()).as(e.getMessage()).isEqualTo(ErrorCode.BUSY);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = begin(repository, living)) {
            assertCovers(snapshot, living, before, contents.now());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("token 7: two repositories that back up one VM do not disturb each other")
    final void repositoriesDoNotDisturbEachOther() {
        if (!tracks()) {
            return;
        }
        RepositoryId another = newRepository();
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> others = backUp(another, Map.of());
        contents.writeSome();
        for (boolean commit : new boolean[] {false, true}) {
            try (VmSnapshot snapshot = begin(repository, tokens)) {
                assertCovers(snapshot, tokens, before, contents.now());
                if (commit) {
                    snapshot.committed();
                } else {
                    snapshot.abandoned();
                }
            }
            contents.writeSome();
            try (VmSnapshot snapshot = begin(another, others)) {
                assertCovers(snapshot, others, between, contents.now());
                snapshot.abandoned();
            }
        }
    }

    @Test
    @DisplayName("token 8: an excluded disk takes nothing from the others")
    final void excludedDiskDoesNotBreakTheOthers() {
        if (!tracks()) {
            return;
        }
        assertThat(trackedDisks()).as("tracked disks of the known VM").hasSizeGreaterThan(1);
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        for (DiskId excluded : trackedDisks()) {
            Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
            contents.writeSome();
            SnapshotRequest request =
                    request(repository, tokens).excludedDisks(Set.of(excluded)).build();
            Map<DiskId, ChangeToken> next;
            Map<DiskId, byte[]> between = contents.now();
            try (VmSnapshot snapshot = connection.beginSnapshot(known.id(), request)) {
                assertCovers(snapshot, tokens, before, between);
                next = tokens(snapshot);
                assertThat(next.keySet()).hasSize(trackedDisks().size() - 1).doesNotContain(excluded);
                snapshot.committed();
            }
            contents.writeSome();
            before = contents.now();
            try (VmSnapshot snapshot = begin(repository, next)) {
                for (SnapshotDisk disk : tracked(snapshot)) {
                    if (!disk.id().equals(excluded)) {
                        assertCovers(disk, next, between, before);
                    }
                }
                snapshot.committed();
            }
        }
    }

    @Test
    @DisplayName("token 9: a parent's token that was lost is unknown and told, the others are as ever")
    final void tellsLostTracking() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        for (DiskId lost : trackedDisks()) {
            Map<DiskId, byte[]> before = contents.now();
            Map<DiskId, ChangeToken> tokens = backUp(repository, Map.of());
            contents.writeSome();
            loseTracking(known.id(), lost);
            contents.writeSome();
            try (VmSnapshot snapshot = begin(repository, tokens)) {
                for (SnapshotDisk disk : tracked(snapshot)) {
                    if (disk.id().equals(lost)) {
                        assertUnknown(disk.changesSince(token(tokens, disk)));
                    } else {
                        assertCovers(disk, tokens, before, contents.now());
                    }
                }
                assertThat(snapshot.facts())
                        .filteredOn(fact -> fact.code().equals(DriverFact.TRACKING_LOST))
                        .extracting(DriverFact::disk)
                        .containsOnly(lost)
                        .isNotEmpty();
                tokens = tokens(snapshot);
                before = contents.now();
                snapshot.committed();
            }
            contents.writeSome();
            try (VmSnapshot snapshot = begin(repository, tokens)) {
                assertCovers(snapshot, tokens, before, contents.now());
                assertThat(snapshot.facts()).extracting(DriverFact::code).doesNotContain(DriverFact.TRACKING_LOST);
                snapshot.committed();
            }
        }
    }

    @Test
    @DisplayName("token 9: tracking is not told to be lost while the parent's tokens are good")
    final void doesNotTellLostTrackingInVain() {
        if (!tracks()) {
            return;
        }
        Map<DiskId, ChangeToken> tokens = Map.of();
        for (int i = 0; i < 3; i++) {
            try (VmSnapshot snapshot = begin(repository, tokens)) {
                Map<DiskId, ChangeToken> parents = tokens;
                tracked(snapshot).stream()
                        .filter(disk -> parents.containsKey(disk.id()))
                        .forEach(disk -> extents(disk, token(parents, disk)));
                assertThat(snapshot.facts()).extracting(DriverFact::code).doesNotContain(DriverFact.TRACKING_LOST);
                tokens = tokens(snapshot);
                snapshot.committed();
            }
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
    @DisplayName("rule 5: a closed reader fails with CLOSED and closes again; the disk can be read anew")
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
    @DisplayName("rule 4: close from another thread breaks off the calls of a reader with CLOSED")
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
    @DisplayName("rule 9: the abilities of the API are there if and only if the driver says so")
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

    @Test
    @DisplayName("writing: an open disk has the described size and reads what is there")
    final void opensDisksForWriting() {
        connection
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).readsWhatIsThere());
    }

    @Test
    @DisplayName(
            "writing: what is written out of order and zeroed is there, at once, when opened anew, and in a snapshot")
    final void writesDisks() {
        connection.ability(DiskWriting.class).ifPresent(writing -> {
            KnownVm vm = writableVm();
            new DiskWritingRules(writing, vm).writes(contents -> {
                try (VmSnapshot snapshot =
                        connection.beginSnapshot(vm.id(), request().build())) {
                    snapshot.disks().forEach(disk -> KnownContents.assertHolds(disk, contents.get(disk.id())));
                    snapshot.abandoned();
                }
            });
        });
    }

    @Test
    @DisplayName("writing: what is written is in the list of changes, or the tokens from before are unknown")
    final void tellsWhatWasWritten() {
        connection.ability(DiskWriting.class).ifPresent(writing -> {
            KnownVm vm = writableVm();
            Map<DiskId, ChangeToken> tokens = new HashMap<>();
            try (VmSnapshot snapshot =
                    connection.beginSnapshot(vm.id(), request().build())) {
                snapshot.disks().forEach(disk -> disk.token().ifPresent(token -> tokens.put(disk.id(), token)));
                snapshot.committed();
            }
            new DiskWritingRules(writing, vm).writes(contents -> {
                SnapshotRequest request = request(repository, tokens).build();
                try (VmSnapshot snapshot = connection.beginSnapshot(vm.id(), request)) {
                    for (SnapshotDisk disk : snapshot.disks()) {
                        ChangeToken token = tokens.get(disk.id());
                        if (token != null && disk.changesSince(token) instanceof Changes.Known list) {
                            KnownContents.assertCovers(
                                    disk,
                                    Disks.extents(list.extents(), disk.capacity()),
                                    vm.disks().get(disk.id()),
                                    contents.get(disk.id()));
                        }
                    }
                    snapshot.abandoned();
                }
            });
        });
    }

    @Test
    @DisplayName("writing: a VM or disk that is not there is NOT_FOUND")
    final void doesNotOpenUnknownDisks() {
        connection
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).refusesWhatIsNotThere());
    }

    @Test
    @DisplayName("rule 5: a closed disk refuses with CLOSED, closes again, and can be opened anew")
    final void closedDiskRefuses() {
        connection
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).refusesWhenClosed());
    }

    private VmSnapshot begin() {
        return connection.beginSnapshot(known.id(), request().build());
    }

    private VmSnapshot begin(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        return connection.beginSnapshot(known.id(), request(owner, parents).build());
    }

    private SnapshotRequest.Builder request() {
        return request(repository, Map.of());
    }

    private static SnapshotRequest.Builder request(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        return SnapshotRequest.builder(
                        owner, new SessionId(UUID.randomUUID().toString().replace("-", "")))
                .parentTokens(parents)
                .endedSessions(session -> true);
    }

    private static RepositoryId newRepository() {
        return new RepositoryId(UUID.randomUUID().toString().replace("-", ""));
    }

    /** Whether changes are tracked; if they are not, that must be said. */
    private boolean tracks() {
        if (connection.capabilities().contains(Capability.CHANGE_TRACKING)) {
            Assumptions.assumeFalse(trackedDisks().isEmpty(), "the driver makes no token for any disk of the known VM");
            return true;
        }
        assertDoesNotTrack();
        return false;
    }

    private void assertDoesNotTrack() {
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        known.disks().keySet().forEach(disk -> parents.put(disk, new ChangeToken("of-other-times")));
        try (VmSnapshot snapshot = begin(repository, parents)) {
            for (SnapshotDisk disk : snapshot.disks()) {
                assertThat(disk.token()).as("token without the capability").isEmpty();
                assertUnknown(disk.changesSince(parents.get(disk.id())));
            }
            snapshot.committed();
        }
    }

    private KnownContents contents() {
        return new KnownContents(known, trackedDisks(), new KnownContents.Writing() {
            @Override
            public void write(DiskId disk, long offset, byte[] bytes) {
                HypervisorProviderContract.this.write(known.id(), disk, offset, bytes);
            }

            @Override
            public void zero(DiskId disk, long offset, long length) {
                HypervisorProviderContract.this.zero(known.id(), disk, offset, length);
            }
        });
    }

    /** Takes a snapshot, as for a restore point that comes to be, and gives its tokens. */
    private Map<DiskId, ChangeToken> backUp(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        try (VmSnapshot snapshot = begin(owner, parents)) {
            Map<DiskId, ChangeToken> tokens = tokens(snapshot);
            snapshot.committed();
            return tokens;
        }
    }

    private Map<DiskId, ChangeToken> tokens(VmSnapshot snapshot) {
        Map<DiskId, ChangeToken> tokens = new HashMap<>();
        for (SnapshotDisk disk : tracked(snapshot)) {
            assertThat(disk.token()).as("token of disk '%s'", disk.id()).isPresent();
            disk.token().ifPresent(token -> tokens.put(disk.id(), token));
        }
        return tokens;
    }

    private List<SnapshotDisk> tracked(VmSnapshot snapshot) {
        return snapshot.disks().stream()
                .filter(disk -> trackedDisks().contains(disk.id()))
                .toList();
    }

    private static ChangeToken token(Map<DiskId, ChangeToken> tokens, SnapshotDisk disk) {
        ChangeToken token = tokens.get(disk.id());
        assertThat(token).as("token of disk '%s'", disk.id()).isNotNull();
        return token;
    }

    private static ExtentCursor known(SnapshotDisk disk, ChangeToken since) {
        Changes changes = disk.changesSince(since);
        assertThat(changes)
                .as("changes of disk '%s' since %s", disk.id(), since)
                .isInstanceOf(Changes.Known.class);
        return ((Changes.Known) changes).extents();
    }

    private static List<Extent> extents(SnapshotDisk disk, ChangeToken since) {
        return Disks.extents(known(disk, since), disk.capacity());
    }

    private static void assertCovers(
            SnapshotDisk disk, Map<DiskId, ChangeToken> since, Map<DiskId, byte[]> before, Map<DiskId, byte[]> now) {
        KnownContents.assertCovers(disk, extents(disk, token(since, disk)), before.get(disk.id()), now.get(disk.id()));
    }

    private void assertCovers(
            VmSnapshot snapshot, Map<DiskId, ChangeToken> since, Map<DiskId, byte[]> before, Map<DiskId, byte[]> now) {
        tracked(snapshot).forEach(disk -> assertCovers(disk, since, before, now));
    }

    private void assertUnknownOrCovers(
            VmSnapshot snapshot, Map<DiskId, ChangeToken> since, Map<DiskId, byte[]> before, Map<DiskId, byte[]> now) {
        for (SnapshotDisk disk : tracked(snapshot)) {
            Changes changes = disk.changesSince(token(since, disk));
            if (changes instanceof Changes.Known list) {
                KnownContents.assertCovers(
                        disk,
                        Disks.extents(list.extents(), disk.capacity()),
                        before.get(disk.id()),
                        now.get(disk.id()));
            } else {
                assertUnknown(changes);
            }
        }
    }

    private void assertDropped(
            VmSnapshot snapshot, Map<DiskId, ChangeToken> tokens, Map<DiskId, byte[]> before, Map<DiskId, byte[]> now) {
        if (forgetsDroppedTokens()) {
            tracked(snapshot).forEach(disk -> assertUnknown(disk.changesSince(token(tokens, disk))));
        } else {
            assertUnknownOrCovers(snapshot, tokens, before, now);
        }
    }

    private static void assertUnknown(Changes changes) {
        assertThat(changes).isInstanceOf(Changes.Unknown.class);
        assertThat(((Changes.Unknown) changes).reason()).matches("[A-Z][A-Z0-9_]*");
        assertThat(((Changes.Unknown) changes).message()).isNotBlank();
    }

    private static void assertKeepsItsRules(ExtentCursor cursor, long capacity) {
        assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
        long end = 0;
        while (cursor.next()) {
            assertThat(cursor.offset()).isEqualTo(cursor.offset()).isBetween(end, capacity - 1);
            assertThat(cursor.length()).isPositive().isEqualTo(cursor.length());
            end = cursor.offset() + cursor.length();
        }
        assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
        cursor.close();
        cursor.close();
    }

    private static void assertAreWellFormed(List<DriverFact> facts, @Nullable Set<DiskId> disks) {
        for (DriverFact fact : facts) {
            assertThat(fact.code()).as("code of %s", fact).matches("[A-Z][A-Z0-9_]*");
            assertThat(fact.message()).as("message of %s", fact).isNotBlank();
            if (disks != null && fact.disk() != null) {
                assertThat(disks).as("disks of %s", fact).contains(fact.disk());
            }
        }
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
                Disks.writeNonZero(writer, bytes, half);
            }
            writer.flush();
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
