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
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * What every driver has to keep. Extend it and say where to test; a driver passes if every test does.
 *
 * <p>The numbers in the names are those of the rules in the package description of {@code io.genievm.api.hypervisor}. A
 * test that fails says which rule was broken, what to do, and what was found. An ability or capability that a driver does
 * not have is not left out: that it is refused in the right way is tested instead.
 *
 * <p>Everything must work in a fresh process as well: one is started with the class path of this one, makes a provider by
 * its public constructor, and is killed while it has a snapshot open.
 *
 * <p>A driver with {@link Capability#CHANGE_TRACKING} overrides {@link #write}. One without it is
 * tested to say so: no disk has a token, and all changes are unknown.
 *
 * @since 0.1
 */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
@ExtendWith(Advice.class)
public abstract class HypervisorProviderContract {
    private DriverUnderTest driver;
    private TokenRules tokens;
    private ReadingRules reading;
    private ConcurrencyRules concurrency;

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
     * @throws Exception when that fails, which fails the test
     */
    protected abstract KnownVm knownVm() throws Exception;

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
     * @throws Exception when that fails, which fails the test
     */
    protected void removeVm(VmId vm) throws Exception {}

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
     * @throws Exception when that fails, which fails the test
     */
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) throws Exception {
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
     * @throws Exception when that fails, which fails the test
     */
    protected void zero(VmId vm, DiskId disk, long offset, long length) throws Exception {
        write(vm, disk, offset, new byte[Math.toIntExact(length)]);
    }

    /**
     * Makes the hypervisor forget all tokens of a disk, as the crash of a host would. A driver for which that can be
     * done in a test overrides it; the test is aborted otherwise.
     *
     * @param vm the known VM
     * @param disk one of the {@link #trackedDisks()}
     * @throws Exception when that fails, which fails the test
     */
    protected void loseTracking(VmId vm, DiskId disk) throws Exception {
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
     * @throws Exception when that fails, which fails the test
     */
    protected KnownVm writableVm() throws Exception {
        throw new AssertionError(
                "The driver has DiskWriting. Override HypervisorProviderContract.writableVm so that the "
                        + "contract has a VM to write into, or do not have the ability.");
    }

    /**
     * A VM of that hypervisor that is large in every way that is cheap to make: many disks, one of the largest capacity
     * that the hypervisor allows, with almost nothing in it, and one of many small extents. A driver for which a test can
     * make one overrides it; the test is aborted otherwise.
     *
     * @return the VM
     * @throws Exception when that fails, which fails the test
     */
    protected LargeVm largeVm() throws Exception {
        return Assumptions.abort("no large VM is made: HypervisorProviderContract.largeVm is not overridden");
    }

    /**
     * The provider with which another process reaches {@link #config()}; that process is killed.
     *
     * @return the class of {@link #provider()} unless overridden; empty when no other process can reach it, because it
     *     lives in this one
     */
    protected Optional<Class<? extends HypervisorProvider>> providerOfAnotherProcess() {
        return Optional.of(provider().getClass());
    }

    @BeforeEach
    final void connect() {
        driver = new DriverUnderTest(
                Hook.get("knownVm", this::knownVm), () -> provider().open(config()));
        tokens = new TokenRules(driver, new Hooks());
        reading = new ReadingRules(driver);
        concurrency = new ConcurrencyRules(driver);
    }

    @AfterEach
    final void disconnect() {
        if (driver != null) {
            driver.connection().close();
        }
    }

    // ---- provider and connection

    @Test
    @DisplayName("H31: provider: name and schemes have the form that the interface gives")
    @Mend("give short lower-case names, and serve the scheme that config() has")
    final void nameAndSchemesAreWellFormed() {
        assertThat(provider().name()).matches("[a-z][a-z0-9-]{0,31}");
        assertThat(provider().schemes()).isNotEmpty().allMatch(scheme -> scheme.matches("[a-z][a-z0-9+.-]{0,31}"));
        assertThat(provider().schemes()).contains(config().scheme());
    }

    @Test
    @DisplayName("H32: provider: an option that is not known is refused by name")
    @Mend(
            "in open(), compare the names of config.options() with those that you know and name the others in the message")
    final void refusesUnknownOptions() {
        HypervisorConfig config = HypervisorConfig.of(config().address(), Map.of("no-such-option", "1"));

        assertThat(assertFails(ErrorCode.INVALID_ARGUMENT, () -> provider().open(config)))
                .hasMessageContaining("no-such-option");
    }

    @Test
    @DisplayName("H34: connection: provider, source id and capabilities stay the same, also for another connection")
    @Mend("take the source id from the hypervisor, such as its UUID, and capabilities from a constant")
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
    @DisplayName("H35: connection: lists the VMs in ascending order, the known one among them")
    @Mend("sort the VMs by id in vms(), and list those of the hypervisor that can be backed up")
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
    @DisplayName("H1, H36: connection: describes a VM with all its disks")
    @Mend("list all disks in describe(), sorted by id, with capacities in bytes")
    final void describesVm() {
        assertIsKnown(driver.connection().describe(driver.known().id()));
    }

    @Test
    @DisplayName("H2, H37: connection: a VM that is not there is NOT_FOUND")
    @Mend("look the VM up before anything else, and throw a GenieVmException with ErrorCode.NOT_FOUND")
    final void unknownVmIsNotFound() {
        VmId unknown = new VmId("no-such-vm-" + UUID.randomUUID());

        assertFails(ErrorCode.NOT_FOUND, () -> driver.connection().describe(unknown));
        assertFails(
                ErrorCode.NOT_FOUND,
                () -> driver.connection()
                        .beginSnapshot(unknown, driver.request().build()));
    }

    @Test
    @DisplayName("H5: a closed connection refuses every call, and ends what came from it")
    @Mend("remember in the connection that it is closed, and ask it in every call of snapshots, disks and readers")
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
    @DisplayName("H14: a snapshot is committed, closed, and closed again")
    @Mend("let close() release what the snapshot holds after committed(), once")
    final void commits() {
        VmSnapshot snapshot = driver.begin();
        snapshot.committed();
        snapshot.close();
        snapshot.close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H14: a snapshot is abandoned, closed, and closed again")
    @Mend("let close() release what the snapshot holds after abandoned(), once")
    final void abandons() {
        VmSnapshot snapshot = driver.begin();
        snapshot.abandoned();
        snapshot.close();
        snapshot.close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H14: a snapshot that is only closed does not stand in the way of the next")
    @Mend("let close() without an outcome release the hypervisor's snapshot and keep the tokens of both sides")
    final void closesAlone() {
        driver.begin().close();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H14: a snapshot whose connection was closed does not stand in the way of the next")
    @Mend("end open snapshots in the connection's close() as by their close() alone")
    final void losesItsConnection() {
        driver.begin();
        driver.connection().close();
        driver.reconnect();
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H38, H45: snapshot: describes the VM, and gives the same disks at each call, in ascending order")
    @Mend("make the disks once, when the snapshot begins, sorted by id")
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
    @DisplayName("H38: snapshot: an excluded disk is described and not given")
    @Mend("leave out request.excludedDisks() from disks(), and only there")
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
    @DisplayName("H39: snapshot: an excluded disk that the VM does not have is NOT_FOUND and named")
    @Mend("check request.excludedDisks() against the VM before anything is made, and name what is missing")
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
    @DisplayName("H40: snapshot: one that nobody wants any more is CANCELLED")
    @Mend("ask request.cancellation() in beginSnapshot, and throw ErrorCode.CANCELLED when what was made is removed")
    final void obeysCancellation() {
        SnapshotRequest request =
                driver.request().cancellation(new DriverUnderTest.Cancelled()).build();

        assertFails(
                ErrorCode.CANCELLED,
                () -> driver.connection().beginSnapshot(driver.known().id(), request));
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H7, H41: quiescing goes as far as was asked for, or a fact says that it does not")
    @Mend("compare request.quiesce() with what was done; where it is less, add a DriverFact.QUIESCE_REFUSED")
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
    @DisplayName("H42: snapshot: facts are only added")
    @Mend("add facts at the end of the list and remove none")
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
    @DisplayName("H7, H42: facts have a word for programs, a sentence for people, and name disks that the VM has")
    @Mend("use upper-case words as codes, say a sentence, and name only disks of the VM")
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
                        .as("disks whose unknown token is told, by rule H29: %s", facts)
                        .allMatch(disk -> facts.stream()
                                .anyMatch(fact ->
                                        fact.code().equals(DriverFact.TRACKING_LOST) && disk.equals(fact.disk())));
            }
            snapshot.abandoned();
        }
    }

    // ---- extents

    @Test
    @DisplayName("H1, H13, H46: allocated extents are ascending, disjoint, inside the capacity, and the same each time")
    @Mend("sort and join the extents, in bytes, and cut them at the capacity")
    final void allocatedExtentsKeepTheRules() {
        reading.allocatedExtentsKeepTheRules();
    }

    @Test
    @DisplayName("H47: allocated: what is left out is zero, so that reading the rest gives every byte")
    @Mend(
            "leave out of allocated() only what reads as zeroes; without the capability ALLOCATION, give ExtentCursor.whole(capacity)")
    final void whatIsNotAllocatedIsZero() {
        reading.whatIsNotAllocatedIsZero();
    }

    @Test
    @DisplayName("H48: allocated: the cursor stands on an extent only after next() was true, and closes twice")
    @Mend(
            "throw IllegalStateException from offset() and length() before next() and behind the end, or use ExtentCursor.of")
    final void cursorKeepsItsRules() {
        reading.cursorKeepsItsRules();
    }

    // ---- tokens

    @Test
    @DisplayName("H30: without the capability no disk has a token, and every answer is unknown")
    @Mend("give no tokens and answer Changes.Unknown, or declare CHANGE_TRACKING")
    final void refusesToTrackWithoutCapability() {
        tokens.refusesToTrackWithoutCapability();
    }

    @Test
    @DisplayName("H21, H28: every tracked disk has a token, the same at each call, and none is given out twice")
    @Mend(
            "make the token of a disk once for each snapshot, out of something that never comes again, such as the session id")
    final void tokensAreUnique() {
        tokens.tokensAreUnique();
    }

    @Test
    @DisplayName("H12, H21: what is written while the snapshot is open is none of its, and is in the next list")
    @Mend("fix token and content when the snapshot begins: what is written later belongs to the next")
    final void tokenIsOfTheSnapshotsMoment() {
        tokens.tokenIsOfTheSnapshotsMoment();
    }

    @Test
    @DisplayName("H22: the list keeps the rules for extents and holds every byte that was written or zeroed")
    @Mend("list whatever was written since the token, rounded outwards; count zeroing and discarding as writing")
    final void listsEveryWrite() {
        tokens.listsEveryWrite();
    }

    @Test
    @DisplayName("H22: that nothing was written is known, and so is what changed since the snapshot's own token")
    @Mend("answer Changes.Known with an empty list when nothing was written")
    final void knowsThatNothingWasWritten() {
        tokens.knowsThatNothingWasWritten();
    }

    @Test
    @DisplayName("H13, H22: changes can be asked for twice, and by several threads, also while others are being read")
    @Mend("make a new cursor for each call of changesSince, that shares no state with others")
    final void answersAgain() throws Exception {
        tokens.answersAgain();
    }

    @Test
    @DisplayName("H22, H48: the cursor stands on an extent only after next() was true, and closes twice")
    @Mend(
            "throw IllegalStateException from offset() and length() before next() and behind the end, or use ExtentCursor.of")
    final void changesCursorKeepsItsRules() {
        tokens.changesCursorKeepsItsRules();
    }

    @Test
    @DisplayName("H23: a token that is not the driver's own is unknown, and no failure")
    @Mend("answer Changes.Unknown, with a word and a sentence, for whatever token you do not find")
    final void doesNotVouchForForeignTokens() {
        tokens.doesNotVouchForForeignTokens();
    }

    @Test
    @DisplayName("H23: a token of another disk is unknown")
    @Mend("put into the token whose disk it is, and compare")
    final void doesNotVouchForTokensOfOtherDisks() {
        tokens.doesNotVouchForTokensOfOtherDisks();
    }

    @Test
    @DisplayName("H24: in a chain of commits, over several connections, every list holds what its parent lacks")
    @Mend("keep the new tokens at committed(), where every connection finds them, and drop no newer ones")
    final void tracksAlongAChain() {
        tokens.tracksAlongAChain();
    }

    @Test
    @DisplayName("H25: after abandoned() the parent's tokens are good as ever, and the new ones are dropped")
    @Mend("at abandoned() drop the tokens of this snapshot and none else")
    final void abandonedKeepsTheParents() {
        tokens.abandonedKeepsTheParents();
    }

    @Test
    @DisplayName("H25: a snapshot that could not be begun leaves the parent's tokens")
    @Mend("drop no token in a beginSnapshot that fails")
    final void failedBeginKeepsTheParents() {
        tokens.failedBeginKeepsTheParents();
    }

    @Test
    @DisplayName("H26: after close() alone, or the end of the connection, the parent's tokens are good as ever")
    @Mend("drop no token in close() without an outcome")
    final void closeAloneKeepsTheParents() {
        tokens.closeAloneKeepsTheParents();
    }

    @Test
    @DisplayName("H26: after close() alone the new tokens are good, and a parent's if its point came to be")
    @Mend("drop no token in close() without an outcome; the next beginSnapshot gets as its parents those that count")
    final void closeAloneKeepsTheNew() {
        tokens.closeAloneKeepsTheNew();
    }

    @Test
    @DisplayName("H6, H26: tokens of a session that has ended without a point are cleared by the next snapshot")
    @Mend(
            "in beginSnapshot drop tokens of the same repository whose session request.hasEnded(), other than the parent's")
    final void clearsTokensOfTheDead() {
        tokens.clearsTokensOfTheDead();
    }

    @Test
    @DisplayName("H6, H26: tokens of a session that may still live are left alone, or the answer is BUSY")
    @Mend("ask request.hasEnded() of each token's session before you drop it; else leave it, or answer BUSY")
    final void sparesTokensOfTheLiving() {
        tokens.sparesTokensOfTheLiving();
    }

    @Test
    @DisplayName("H27: two repositories that back up one VM do not disturb each other")
    @Mend("put the repository's id into what you make on the hypervisor, and touch nothing of other repositories")
    final void repositoriesDoNotDisturbEachOther() {
        tokens.repositoriesDoNotDisturbEachOther();
    }

    @Test
    @DisplayName("H28: an excluded disk takes nothing from the others")
    @Mend("track each disk by itself")
    final void excludedDiskDoesNotBreakTheOthers() {
        tokens.excludedDiskDoesNotBreakTheOthers();
    }

    @Test
    @DisplayName("H29: a parent's token that was lost is unknown and told, the others are as ever")
    @Mend("when the parent's token of a disk is not found, add DriverFact.TRACKING_LOST with that disk, and go on")
    final void tellsLostTracking() {
        tokens.tellsLostTracking();
    }

    @Test
    @DisplayName("H29: tracking is not told to be lost while the parent's tokens are good")
    @Mend("tell TRACKING_LOST only of a parent's token that is unknown")
    final void doesNotTellLostTrackingInVain() {
        tokens.doesNotTellLostTrackingInVain();
    }

    // ---- readers

    @Test
    @DisplayName("H13, H49: reader: gives every byte of every disk")
    @Mend("read at the offset that is asked for, until the buffer is full")
    final void readsEveryByte() {
        driver.assertIsWhole();
    }

    @Test
    @DisplayName("H1, H49: reader: gives any aligned range, in requests of any size up to the largest")
    @Mend("fill the buffer from position to limit, and leave its limit alone")
    final void readsRanges() {
        reading.readsRanges();
    }

    @Test
    @DisplayName("H50: reader: as many readers with as many calls at a time as the limits say")
    @Mend("make readers independent of each other, or declare lower DiskLimits")
    final void readsInParallel() throws Exception {
        reading.readsInParallel();
    }

    @Test
    @DisplayName("H5: a closed reader fails with CLOSED and closes again; the disk can be read anew")
    @Mend("throw ErrorCode.CLOSED from a closed reader, and let close() do nothing the second time")
    final void closedReaderRefuses() {
        reading.closedReaderRefuses();
    }

    @Test
    @DisplayName("H4, H5: close from another thread breaks off the calls of a reader with CLOSED")
    @Mend(
            "turn what close() from another thread makes of a read, such as a ClosedChannelException, into ErrorCode.CLOSED")
    final void closeBreaksOffReads() throws Exception {
        reading.closeBreaksOffReads();
    }

    @Test
    @DisplayName("H51: confirmUnchanged: a disk that nobody writes has not changed")
    @Mend("throw SOURCE_CHANGED only if the disk was written since the snapshot began")
    final void confirmsUnchanged() {
        reading.confirmsUnchanged();
    }

    // ---- many at a time, death and size

    @Test
    @DisplayName("H11, H50: one connection serves many at a time: all disks are read while others look at the VMs")
    @Mend("share nothing between calls that is not safe for several threads")
    final void servesManyAtATime() throws Exception {
        concurrency.servesManyAtATime();
    }

    @Test
    @DisplayName("H4, H5: the end of the connection breaks off reads and lists that are under way, with CLOSED")
    @Mend("turn whatever a call meets after the connection's close() into ErrorCode.CLOSED")
    final void endOfTheConnectionBreaksOff() throws Exception {
        concurrency.endOfTheConnectionBreaksOff();
    }

    @Test
    @DisplayName("H5: reader, snapshot and connection are closed by several threads at the same time")
    @Mend("let the first close() do the work, by an AtomicBoolean or a lock, and the others nothing")
    final void closesAtTheSameTime() throws Exception {
        concurrency.closesAtTheSameTime();
    }

    @Test
    @DisplayName(
            "H43: a second snapshot of the VM, of the same repository or of another, works or is BUSY, and harms nobody")
    @Mend("keep what is open apart by session, or refuse the second with ErrorCode.BUSY before anything is made")
    final void secondSnapshotHarmsNobody() {
        concurrency.secondSnapshotHarmsNobody();
    }

    @Test
    @DisplayName("H40: a snapshot that is cancelled while it begins is CANCELLED or there, and the next one works")
    @Mend("when request.cancellation() says so, remove what was made so far and throw ErrorCode.CANCELLED")
    final void cancelsWhileItBegins() throws Exception {
        concurrency.cancelsWhileItBegins();
    }

    @Test
    @DisplayName("H44: the snapshot of a process that was killed does not stand in the way of the next")
    @Mend("in beginSnapshot find what bears the repository's id, ask request.hasEnded() of its session, and clear it")
    final void diesWithAnOpenSnapshot() throws Exception {
        Optional<Class<? extends HypervisorProvider>> other = providerOfAnotherProcess();
        if (other.isPresent()) {
            new DeathRules(driver, other.get(), config()).diesWithAnOpenSnapshot();
        } else {
            losesItsConnection();
        }
    }

    @Test
    @DisplayName("H52: size does not matter: disks, capacity and extents of the large VM are all there")
    @Mend("count in long, look only at what is allocated, and open nothing for a disk before it is read")
    final void sizeDoesNotMatter() {
        new ScaleRules(driver, Hook.get("largeVm", this::largeVm)).sizeDoesNotMatter();
    }

    // ---- abilities

    @Test
    @DisplayName("H9: the abilities of the API are there if and only if the driver says so")
    @Mend("override abilities() in your contract test to name what ability() gives, and nothing else")
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
    @DisplayName("H61: creation: a new VM has the bytes that were written, out of order, and zeroes elsewhere")
    @Mend("write at the offset that is asked for, and let everything else be zero")
    final void createsVm() {
        withAbility(VmCreation.class, creation -> creationRules(creation).createsVm());
    }

    @Test
    @DisplayName("H62: creation: a VM that was not completed is not there")
    @Mend("build the VM where vms() does not look, and remove it in close() unless it was completed")
    final void removesIncompleteVm() {
        withAbility(VmCreation.class, creation -> creationRules(creation).removesIncompleteVm());
    }

    @Test
    @DisplayName("H63: creation: a name that is taken is ALREADY_EXISTS, at once or at completion")
    @Mend("create the final name exclusively, and throw ALREADY_EXISTS when it is taken")
    final void doesNotReplaceVm() {
        withAbility(VmCreation.class, creation -> creationRules(creation).doesNotReplaceVm());
    }

    @Test
    @DisplayName("H64: creation: unknown options are refused by name, cancelled requests end")
    @Mend("check options and cancellation before anything is made")
    final void refusesBadCreation() {
        withAbility(VmCreation.class, creation -> creationRules(creation).refusesBadCreation());
    }

    @Test
    @DisplayName("H71: writing: an open disk has the described size and reads what is there")
    @Mend("open the disk that is asked for, whole")
    final void opensDisksForWriting() {
        withAbility(DiskWriting.class, writing -> new DiskWritingRules(writing, writable()).readsWhatIsThere());
    }

    @Test
    @DisplayName(
            "H72: writing: what is written out of order and zeroed is there, at once, when opened anew, and in a snapshot")
    @Mend("write and zero at the offset that is asked for, and flush what can be seen")
    final void writesDisks() {
        withAbility(DiskWriting.class, writing -> {
            KnownVm vm = writable();
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
    @DisplayName("H73: writing: what is written is in the list of changes, or the tokens from before are unknown")
    @Mend("record what is written through DiskWriting as what a guest writes, or forget the tokens from before")
    final void tellsWhatWasWritten() {
        withAbility(DiskWriting.class, writing -> {
            KnownVm vm = writable();
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
    @DisplayName("H74: writing: a VM or disk that is not there is NOT_FOUND")
    @Mend("look VM and disk up in openDisk, and throw NOT_FOUND")
    final void doesNotOpenUnknownDisks() {
        withAbility(DiskWriting.class, writing -> new DiskWritingRules(writing, writable()).refusesWhatIsNotThere());
    }

    @Test
    @DisplayName("H5: a closed disk refuses with CLOSED, closes again, and can be opened anew")
    @Mend("throw CLOSED from reader and writer of a closed disk")
    final void closedDiskRefuses() {
        withAbility(DiskWriting.class, writing -> new DiskWritingRules(writing, writable()).refusesWhenClosed());
    }

    /** Tests an ability that the driver is said to have; one that it is not said to have must be refused. */
    private <A> void withAbility(Class<A> type, Consumer<A> test) {
        Optional<A> ability = driver.connection().ability(type);
        if (abilities().contains(type)) {
            test.accept(ability.orElseThrow(() -> new AssertionError("abilities() names " + type.getSimpleName()
                    + ", and the connection's ability() gives none: implement it, or do not name it")));
        } else {
            assertThat(ability)
                    .as("the ability %s, which abilities() does not name", type.getSimpleName())
                    .isEmpty();
        }
    }

    private CreationRules creationRules(VmCreation creation) {
        return new CreationRules(driver, creation, vm -> Hook.run("removeVm", () -> removeVm(vm)));
    }

    private KnownVm writable() {
        return Hook.get("writableVm", this::writableVm);
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
            Hook.run(
                    "write",
                    () -> HypervisorProviderContract.this.write(driver.known().id(), disk, offset, bytes));
        }

        @Override
        public void zero(DiskId disk, long offset, long length) {
            Hook.run(
                    "zero",
                    () -> HypervisorProviderContract.this.zero(driver.known().id(), disk, offset, length));
        }

        @Override
        public void loseTracking(VmId vm, DiskId disk) {
            Hook.run("loseTracking", () -> HypervisorProviderContract.this.loseTracking(vm, disk));
        }

        @Override
        public boolean forgetsDroppedTokens() {
            return HypervisorProviderContract.this.forgetsDroppedTokens();
        }
    }
}
