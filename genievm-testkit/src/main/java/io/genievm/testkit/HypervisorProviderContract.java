package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
    private DriverUnderTest driver;
    private TokenRules tokens;
    private ReadingRules reading;
    private CreationRules creation;

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
        return driver.known().disks().keySet();
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
        driver = new DriverUnderTest(knownVm(), () -> provider().open(config()));
        tokens = new TokenRules(driver, new Hooks());
        reading = new ReadingRules(driver);
        creation = new CreationRules(driver, this::removeVm);
    }

    @AfterEach
    final void disconnect() {
        if (driver != null) {
            driver.connection().close();
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
        assertThat(driver.connection().providerName()).isEqualTo(provider().name());
        assertThat(driver.connection().sourceId())
                .hasSizeBetween(1, 255)
                .isEqualTo(driver.connection().sourceId());
        assertThat(driver.connection().capabilities())
                .isEqualTo(driver.connection().capabilities());
        try (HypervisorConnection other = provider().open(config())) {
            assertThat(other.sourceId()).isEqualTo(driver.connection().sourceId());
        }
    }

    @Test
    @DisplayName("connection: lists the VMs in ascending order, the known one among them")
    final void listsVms() {
        List<String> ids = driver.connection().vms().vms().stream()
                .map(vm -> vm.id().value())
                .toList();

        assertThat(ids)
                .isSorted()
                .doesNotHaveDuplicates()
                .contains(driver.known().id().value());
    }

    @Test
    @DisplayName("connection: describes a VM with all its disks")
    final void describesVm() {
        assertIsKnown(driver.connection().describe(driver.known().id()));
    }

    @Test
    @DisplayName("connection: a VM that is not there is NOT_FOUND")
    final void unknownVmIsNotFound() {
        VmId unknown = new VmId("no-such-vm-" + UUID.randomUUID());

        assertFails(ErrorCode.NOT_FOUND, () -> driver.connection().describe(unknown));
        assertFails(
                ErrorCode.NOT_FOUND,
                () -> driver.connection()
                        .beginSnapshot(unknown, driver.request().build()));
    }

    @Test
    @DisplayName("rule 5: a closed connection refuses every call, and ends what came from it")
    final void closeEndsEverything() {
        VmSnapshot snapshot = driver.begin();
        SnapshotDisk disk = Disks.largest(snapshot);
        DiskReader reader = disk.openReader();

        driver.connection().close();
        driver.connection().close();

        assertFails(ErrorCode.CLOSED, () -> driver.connection().vms());
        assertFails(
                ErrorCode.CLOSED,
                () -> driver.connection().describe(driver.known().id()));
        assertFails(
                ErrorCode.CLOSED,
                () -> driver.connection()
                        .beginSnapshot(driver.known().id(), driver.request().build()));
        assertFails(ErrorCode.CLOSED, () -> Disks.readFirst(reader, disk));
        assertFails(ErrorCode.CLOSED, disk::openReader);
        reader.close();
        snapshot.close();
    }

    // ---- the life of a snapshot

    @Test
    @DisplayName("life 4: a snapshot is committed, closed, and closed again")
    final void commits() {
        VmSnapshot snapshot = driver.begin();
        snapshot.committed();
        snapshot.close();
        snapshot.close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot is abandoned, closed, and closed again")
    final void abandons() {
        VmSnapshot snapshot = driver.begin();
        snapshot.abandoned();
        snapshot.close();
        snapshot.close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot that is only closed does not stand in the way of the next")
    final void closesAlone() {
        driver.begin().close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("life 4: a snapshot whose connection was closed does not stand in the way of the next")
    final void losesItsConnection() {
        driver.begin();
        driver.connection().close();
        driver.reconnect();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("snapshot: describes the VM, and gives the same disks at each call, in ascending order")
    final void givesDisks() {
        try (VmSnapshot snapshot = driver.begin()) {
            List<SnapshotDisk> disks = snapshot.disks();

            assertIsKnown(snapshot.description());
            assertThat(disks)
                    .extracting(SnapshotDisk::id)
                    .containsExactlyElementsOf(driver.known().disks().keySet());
            assertThat(disks)
                    .allMatch(disk -> disk.capacity()
                            == Objects.requireNonNull(driver.known().disks().get(disk.id())).length);
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
        DiskId excluded = driver.known().disks().lastKey();
        SnapshotRequest request =
                driver.request().excludedDisks(Set.of(excluded)).build();
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(driver.known().id(), request)) {
            assertThat(snapshot.disks())
                    .extracting(SnapshotDisk::id)
                    .containsExactlyElementsOf(
                            driver.known().disks().headMap(excluded).keySet());
            assertIsKnown(snapshot.description());
            snapshot.abandoned();
        }
    }

    @Test
    @DisplayName("snapshot: an excluded disk that the VM does not have is NOT_FOUND and named")
    final void refusesUnknownExcludedDisk() {
        SnapshotRequest request = driver.request()
                .excludedDisks(Set.of(new DiskId("no-such-disk")))
                .build();

        assertThat(assertFails(
                        ErrorCode.NOT_FOUND,
                        () -> driver.connection().beginSnapshot(driver.known().id(), request)))
                .hasMessageContaining("no-such-disk");
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("snapshot: one that nobody wants any more is CANCELLED")
    final void obeysCancellation() {
        SnapshotRequest request =
                driver.request().cancellation(new DriverUnderTest.Cancelled()).build();

        assertFails(
                ErrorCode.CANCELLED,
                () -> driver.connection().beginSnapshot(driver.known().id(), request));
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("rule 7: quiescing goes as far as was asked for, or a fact says that it does not")
    final void tellsHowFarItQuiesced() {
        for (QuiesceMode asked : QuiesceMode.values()) {
            try (VmSnapshot snapshot = driver.connection()
                    .beginSnapshot(
                            driver.known().id(), driver.request().quiesce(asked).build())) {
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
        try (VmSnapshot snapshot = driver.begin()) {
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
        assertAreWellFormed(driver.connection().vms().facts(), null);
        assertAreWellFormed(
                driver.connection().describe(driver.known().id()).facts(),
                driver.known().disks().keySet());
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        driver.known().disks().keySet().forEach(disk -> parents.put(disk, new ChangeToken("no-such-token")));
        driver.begin().close();
        SnapshotRequest request = driver.request(driver.repository(), parents)
                .quiesce(QuiesceMode.APPLICATION)
                .build();
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(driver.known().id(), request)) {
            for (SnapshotDisk disk : snapshot.disks()) {
                disk.changesSince(Objects.requireNonNull(parents.get(disk.id())));
                Disks.read(disk);
                disk.confirmUnchanged();
            }
            assertAreWellFormed(snapshot.facts(), driver.known().disks().keySet());
            assertThat(snapshot.facts())
                    .as("what would be a warning of every backup, for ever")
                    .extracting(DriverFact::code)
                    .doesNotContain(DriverFact.TRACKING_UNAVAILABLE);
            assertAreWellFormed(
                    snapshot.description().facts(), driver.known().disks().keySet());
            if (driver.connection().capabilities().contains(Capability.CHANGE_TRACKING)) {
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
        reading.allocatedExtentsKeepTheRules();
    }

    @Test
    @DisplayName("allocated: what is left out is zero, so that reading the rest gives every byte")
    final void whatIsNotAllocatedIsZero() {
        reading.whatIsNotAllocatedIsZero();
    }

    @Test
    @DisplayName("allocated: the cursor stands on an extent only after next() was true, and closes twice")
    final void cursorKeepsItsRules() {
        reading.cursorKeepsItsRules();
    }

    // ---- tokens

    @Test
    @DisplayName("token 10: without the capability no disk has a token, and every answer is unknown")
    final void refusesToTrackWithoutCapability() {
        tokens.refusesToTrackWithoutCapability();
    }

    @Test
    @DisplayName("token 1: every tracked disk has a token, the same at each call, and none is given out twice")
    final void tokensAreUnique() {
        tokens.tokensAreUnique();
    }

    @Test
    @DisplayName("token 1: what is written while the snapshot is open is none of its, and is in the next list")
    final void tokenIsOfTheSnapshotsMoment() {
        tokens.tokenIsOfTheSnapshotsMoment();
    }

    @Test
    @DisplayName("token 2: the list keeps the rules for extents and holds every byte that was written or zeroed")
    final void listsEveryWrite() {
        tokens.listsEveryWrite();
    }

    @Test
    @DisplayName("token 2: that nothing was written is known, and so is what changed since the snapshot's own token")
    final void knowsThatNothingWasWritten() {
        tokens.knowsThatNothingWasWritten();
    }

    @Test
    @DisplayName("token 2: changes can be asked for twice, and by several threads, also while others are being read")
    final void answersAgain() throws Exception {
        tokens.answersAgain();
    }

    @Test
    @DisplayName("token 2: the cursor stands on an extent only after next() was true, and closes twice")
    final void changesCursorKeepsItsRules() {
        tokens.changesCursorKeepsItsRules();
    }

    @Test
    @DisplayName("token 3: a token that is not the driver's own is unknown, and no failure")
    final void doesNotVouchForForeignTokens() {
        tokens.doesNotVouchForForeignTokens();
    }

    @Test
    @DisplayName("token 3: a token of another disk is unknown")
    final void doesNotVouchForTokensOfOtherDisks() {
        tokens.doesNotVouchForTokensOfOtherDisks();
    }

    @Test
    @DisplayName("token 4: in a chain of commits, over several connections, every list holds what its parent lacks")
    final void tracksAlongAChain() {
        tokens.tracksAlongAChain();
    }

    @Test
    @DisplayName("token 5: after abandoned() the parent's tokens are good as ever, and the new ones are dropped")
    final void abandonedKeepsTheParents() {
        tokens.abandonedKeepsTheParents();
    }

    @Test
    @DisplayName("token 5: a snapshot that could not be begun leaves the parent's tokens")
    final void failedBeginKeepsTheParents() {
        tokens.failedBeginKeepsTheParents();
    }

    @Test
    @DisplayName("token 6: after close() alone, or the end of the connection, the parent's tokens are good as ever")
    final void closeAloneKeepsTheParents() {
        tokens.closeAloneKeepsTheParents();
    }

    @Test
    @DisplayName("token 6: after close() alone the new tokens are good, and a parent's if its point came to be")
    final void closeAloneKeepsTheNew() {
        tokens.closeAloneKeepsTheNew();
    }

    @Test
    @DisplayName("token 6: tokens of a session that has ended without a point are cleared by the next snapshot")
    final void clearsTokensOfTheDead() {
        tokens.clearsTokensOfTheDead();
    }

    @Test
    @DisplayName("token 6: tokens of a session that may still live are left alone, or the answer is BUSY")
    final void sparesTokensOfTheLiving() {
        tokens.sparesTokensOfTheLiving();
    }

    @Test
    @DisplayName("token 7: two repositories that back up one VM do not disturb each other")
    final void repositoriesDoNotDisturbEachOther() {
        tokens.repositoriesDoNotDisturbEachOther();
    }

    @Test
    @DisplayName("token 8: an excluded disk takes nothing from the others")
    final void excludedDiskDoesNotBreakTheOthers() {
        tokens.excludedDiskDoesNotBreakTheOthers();
    }

    @Test
    @DisplayName("token 9: a parent's token that was lost is unknown and told, the others are as ever")
    final void tellsLostTracking() {
        tokens.tellsLostTracking();
    }

    @Test
    @DisplayName("token 9: tracking is not told to be lost while the parent's tokens are good")
    final void doesNotTellLostTrackingInVain() {
        tokens.doesNotTellLostTrackingInVain();
    }

    // ---- readers

    @Test
    @DisplayName("reader: gives every byte of every disk")
    final void readsEveryByte() {
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("reader: gives any aligned range, in requests of any size up to the largest")
    final void readsRanges() {
        reading.readsRanges();
    }

    @Test
    @DisplayName("reader: as many readers with as many calls at a time as the limits say")
    final void readsInParallel() throws Exception {
        reading.readsInParallel();
    }

    @Test
    @DisplayName("rule 5: a closed reader fails with CLOSED and closes again; the disk can be read anew")
    final void closedReaderRefuses() {
        reading.closedReaderRefuses();
    }

    @Test
    @DisplayName("rule 4: close from another thread breaks off the calls of a reader with CLOSED")
    final void closeBreaksOffReads() throws Exception {
        reading.closeBreaksOffReads();
    }

    @Test
    @DisplayName("confirmUnchanged: a disk that nobody writes has not changed")
    final void confirmsUnchanged() {
        reading.confirmsUnchanged();
    }

    // ---- abilities

    @Test
    @DisplayName("rule 9: the abilities of the API are there if and only if the driver says so")
    final void abilitiesAreAsDeclared() {
        for (Class<?> ability : List.<Class<?>>of(VmCreation.class, DiskWriting.class)) {
            assertThat(driver.connection().ability(ability).isPresent())
                    .as("ability %s", ability.getSimpleName())
                    .isEqualTo(abilities().contains(ability));
        }
        for (Class<?> ability : abilities()) {
            assertThat(driver.connection().ability(ability)).get().isInstanceOf(ability);
        }
        assertThat(driver.connection().ability(HypervisorProviderContract.class))
                .isEmpty();
    }

    @Test
    @DisplayName("creation: a new VM has the bytes that were written, out of order, and zeroes elsewhere")
    final void createsVm() {
        creation.createsVm();
    }

    @Test
    @DisplayName("creation: a VM that was not completed is not there")
    final void removesIncompleteVm() {
        creation.removesIncompleteVm();
    }

    @Test
    @DisplayName("creation: a name that is taken is ALREADY_EXISTS, at once or at completion")
    final void doesNotReplaceVm() {
        creation.doesNotReplaceVm();
    }

    @Test
    @DisplayName("creation: unknown options are refused by name, cancelled requests end")
    final void refusesBadCreation() {
        creation.refusesBadCreation();
    }

    @Test
    @DisplayName("writing: an open disk has the described size and reads what is there")
    final void opensDisksForWriting() {
        driver.connection()
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).readsWhatIsThere());
    }

    @Test
    @DisplayName(
            "writing: what is written out of order and zeroed is there, at once, when opened anew, and in a snapshot")
    final void writesDisks() {
        driver.connection().ability(DiskWriting.class).ifPresent(writing -> {
            KnownVm vm = writableVm();
            new DiskWritingRules(writing, vm).writes(contents -> {
                try (VmSnapshot snapshot = driver.connection()
                        .beginSnapshot(vm.id(), driver.request().build())) {
                    snapshot.disks()
                            .forEach(disk ->
                                    KnownContents.assertHolds(disk, Objects.requireNonNull(contents.get(disk.id()))));
                    snapshot.abandoned();
                }
            });
        });
    }

    @Test
    @DisplayName("writing: what is written is in the list of changes, or the tokens from before are unknown")
    final void tellsWhatWasWritten() {
        driver.connection().ability(DiskWriting.class).ifPresent(writing -> {
            KnownVm vm = writableVm();
            Map<DiskId, ChangeToken> tokens = new HashMap<>();
            try (VmSnapshot snapshot =
                    driver.connection().beginSnapshot(vm.id(), driver.request().build())) {
                snapshot.disks().forEach(disk -> disk.token().ifPresent(token -> tokens.put(disk.id(), token)));
                snapshot.committed();
            }
            new DiskWritingRules(writing, vm).writes(contents -> {
                SnapshotRequest request =
                        driver.request(driver.repository(), tokens).build();
                try (VmSnapshot snapshot = driver.connection().beginSnapshot(vm.id(), request)) {
                    for (SnapshotDisk disk : snapshot.disks()) {
                        ChangeToken token = tokens.get(disk.id());
                        if (token != null && disk.changesSince(token) instanceof Changes.Known list) {
                            KnownContents.assertCovers(
                                    disk,
                                    Disks.extents(list.extents(), disk.capacity()),
                                    Objects.requireNonNull(vm.disks().get(disk.id())),
                                    Objects.requireNonNull(contents.get(disk.id())));
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
        driver.connection()
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).refusesWhatIsNotThere());
    }

    @Test
    @DisplayName("rule 5: a closed disk refuses with CLOSED, closes again, and can be opened anew")
    final void closedDiskRefuses() {
        driver.connection()
                .ability(DiskWriting.class)
                .ifPresent(writing -> new DiskWritingRules(writing, writableVm()).refusesWhenClosed());
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

    private boolean mayQuiesce(QuiesceMode mode) {
        return switch (mode) {
            case NONE -> true;
            case FILE_SYSTEM -> driver.connection().capabilities().contains(Capability.QUIESCE_FILE_SYSTEM);
            case APPLICATION -> driver.connection().capabilities().contains(Capability.QUIESCE_APPLICATION);
        };
    }

    private void assertIsKnown(VmDescription description) {
        assertThat(description.id()).isEqualTo(driver.known().id());
        assertThat(description.name()).isNotEmpty();
        assertThat(description.disks())
                .containsExactlyElementsOf(driver.known().disks().entrySet().stream()
                        .map(disk -> new VmDescription.Disk(disk.getKey(), disk.getValue().length))
                        .toList());
    }

    /** What a test of the tracking may do, as whoever extends the contract says. */
    private final class Hooks implements TokenRules.Tracking {
        @Override
        public Set<DiskId> trackedDisks() {
            return HypervisorProviderContract.this.trackedDisks();
        }

        @Override
        public void write(DiskId disk, long offset, byte[] bytes) {
            HypervisorProviderContract.this.write(driver.known().id(), disk, offset, bytes);
        }

        @Override
        public void zero(DiskId disk, long offset, long length) {
            HypervisorProviderContract.this.zero(driver.known().id(), disk, offset, length);
        }

        @Override
        public void loseTracking(VmId vm, DiskId disk) {
            HypervisorProviderContract.this.loseTracking(vm, disk);
        }

        @Override
        public boolean forgetsDroppedTokens() {
            return HypervisorProviderContract.this.forgetsDroppedTokens();
        }
    }
}
