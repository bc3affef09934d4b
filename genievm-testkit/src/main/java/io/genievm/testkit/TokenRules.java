package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.Assumptions;

/** The rules for change tokens, each kept or broken by what a driver does. For one test. */
final class TokenRules {
    private final DriverUnderTest driver;
    private final Tracking tracking;

    TokenRules(DriverUnderTest driver, Tracking tracking) {
        this.driver = driver;
        this.tracking = tracking;
    }

    /** What is known of the tracking, and what is done to the disks of the known VM without the driver. */
    interface Tracking extends KnownContents.Writing {
        Set<DiskId> trackedDisks();

        void loseTracking(VmId vm, DiskId disk);

        boolean forgetsDroppedTokens();
    }

    void refusesToTrackWithoutCapability() {
        if (!driver.connection().capabilities().contains(Capability.CHANGE_TRACKING)) {
            assertDoesNotTrack();
        }
    }

    void tokensAreUnique() {
        if (!tracks()) {
            return;
        }
        List<ChangeToken> tokens = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            try (VmSnapshot snapshot = driver.begin()) {
                for (SnapshotDisk disk : snapshot.disks()) {
                    assertThat(disk.token().isPresent())
                            .as("disk '%s' has a token", disk.id())
                            .isEqualTo(tracking.trackedDisks().contains(disk.id()));
                    assertThat(disk.token()).as("at the second call").isEqualTo(disk.token());
                    disk.token().ifPresent(tokens::add);
                }
                snapshot.committed();
            }
        }
        assertThat(tokens).hasSize(3 * tracking.trackedDisks().size()).doesNotHaveDuplicates();
    }

    void tokenIsOfTheSnapshotsMoment() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens;
        try (VmSnapshot snapshot = driver.begin()) {
            contents.writeEdges();
            for (SnapshotDisk disk : tracked(snapshot)) {
                KnownContents.assertHolds(disk, Objects.requireNonNull(before.get(disk.id())));
            }
            tokens = tokens(snapshot);
            snapshot.committed();
        }
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    void listsEveryWrite() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            Map<DiskId, byte[]> now = contents.now();
            assertCovers(snapshot, tokens, before, now);
            for (SnapshotDisk disk : tracked(snapshot)) {
                KnownContents.assertHolds(disk, Objects.requireNonNull(now.get(disk.id())));
            }
            snapshot.committed();
        }
    }

    void knowsThatNothingWasWritten() {
        if (!tracks()) {
            return;
        }
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        for (int i = 0; i < 2; i++) {
            try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
                for (SnapshotDisk disk : tracked(snapshot)) {
                    extents(disk, token(tokens, disk));
                }
                Map<DiskId, ChangeToken> own = tokens(snapshot);
                snapshot.committed();
                tokens = own;
            }
        }
    }

    void answersAgain() throws Exception {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            Map<DiskId, byte[]> now = contents.now();
            for (SnapshotDisk disk : tracked(snapshot)) {
                try (ExtentCursor open = known(disk, token(tokens, disk))) {
                    boolean any = open.next();
                    List<List<Extent>> lists = Race.of(2, runner -> () -> extents(disk, token(tokens, disk)));
                    lists.forEach(list -> KnownContents.assertCovers(
                            disk,
                            list,
                            Objects.requireNonNull(before.get(disk.id())),
                            Objects.requireNonNull(now.get(disk.id()))));
                    List<Extent> rest =
                            any ? new ArrayList<>(List.of(new Extent(open.offset(), open.length()))) : List.of();
                    while (any && open.next()) {
                        rest.add(new Extent(open.offset(), open.length()));
                    }
                    KnownContents.assertCovers(
                            disk,
                            rest,
                            Objects.requireNonNull(before.get(disk.id())),
                            Objects.requireNonNull(now.get(disk.id())));
                }
            }
            assertCovers(snapshot, tokens, before, now);
            snapshot.abandoned();
        }
    }

    void changesCursorKeepsItsRules() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeEdges();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            for (SnapshotDisk disk : tracked(snapshot)) {
                Disks.assertKeepsItsRules(known(disk, token(tokens, disk)), disk.capacity());
                // One that is not read to its end.
                ExtentCursor cursor = known(disk, token(tokens, disk));
                cursor.next();
                cursor.close();
                cursor.close();
            }
            snapshot.abandoned();
        }
    }

    void doesNotVouchForForeignTokens() {
        ChangeToken foreign = new ChangeToken("genievm-contract-" + UUID.randomUUID());
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        driver.known().disks().keySet().forEach(disk -> parents.put(disk, foreign));
        for (Map<DiskId, ChangeToken> given : List.of(Map.<DiskId, ChangeToken>of(), parents)) {
            try (VmSnapshot snapshot = driver.begin(driver.repository(), given)) {
                for (SnapshotDisk disk : snapshot.disks()) {
                    assertUnknown(disk.changesSince(foreign));
                    assertUnknown(disk.changesSince(new ChangeToken("/")));
                    assertUnknown(disk.changesSince(new ChangeToken("\u00e4".repeat(2048))));
                }
                snapshot.abandoned();
            }
        }
    }

    void doesNotVouchForTokensOfOtherDisks() {
        if (!tracks()) {
            return;
        }
        assertThat(tracking.trackedDisks()).as("tracked disks of the known VM").hasSizeGreaterThan(1);
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            Map<DiskId, ChangeToken> own = tokens(snapshot);
            for (SnapshotDisk disk : tracked(snapshot)) {
                for (DiskId other : tracking.trackedDisks()) {
                    if (!other.equals(disk.id())) {
                        assertUnknown(disk.changesSince(Objects.requireNonNull(tokens.get(other))));
                        assertUnknown(disk.changesSince(Objects.requireNonNull(own.get(other))));
                    }
                }
            }
            snapshot.abandoned();
        }
    }

    void tracksAlongAChain() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        List<Map<DiskId, byte[]>> states = new ArrayList<>(List.of(contents.now()));
        List<Map<DiskId, ChangeToken>> chain = new ArrayList<>(List.of(backUp(driver.repository(), Map.of())));
        for (int i = 1; i <= 5; i++) {
            contents.writeSome();
            states.add(contents.now());
            if (i == 3) {
                driver.connection().close();
                driver.reconnect();
            }
            try (VmSnapshot snapshot = driver.begin(driver.repository(), chain.get(i - 1))) {
                assertCovers(snapshot, chain.get(i - 1), states.get(i - 1), states.get(i));
                for (int older = 0; older < i - 1; older++) {
                    assertUnknownOrCovers(snapshot, chain.get(older), states.get(older), states.get(i));
                }
                chain.add(tokens(snapshot));
                snapshot.committed();
            }
        }
    }

    void abandonedKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> abandoned;
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            abandoned = tokens(snapshot);
            snapshot.abandoned();
        }
        contents.writeSome();
        // No session has ended, so that nothing but abandoned() can have dropped them.
        SnapshotRequest next = driver.request(driver.repository(), tokens)
                .endedSessions(session -> false)
                .build();
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(driver.known().id(), next)) {
            assertCovers(snapshot, tokens, before, contents.now());
            assertDropped(snapshot, abandoned, between, contents.now());
            snapshot.abandoned();
        }
    }

    void failedBeginKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeSome();
        SnapshotRequest unwanted = driver.request(driver.repository(), tokens)
                .cancellation(new DriverUnderTest.Cancelled())
                .build();
        assertFails(
                ErrorCode.CANCELLED,
                () -> driver.connection().beginSnapshot(driver.known().id(), unwanted));
        SnapshotRequest wrong = driver.request(driver.repository(), tokens)
                .excludedDisks(Set.of(new DiskId("no-such-disk")))
                .build();
        assertFails(
                ErrorCode.NOT_FOUND,
                () -> driver.connection().beginSnapshot(driver.known().id(), wrong));
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    void closeAloneKeepsTheParents() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeSome();
        driver.begin(driver.repository(), tokens).close();
        contents.writeSome();
        driver.begin(driver.repository(), tokens);
        driver.connection().close();
        driver.reconnect();
        contents.writeSome();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            assertCovers(snapshot, tokens, before, contents.now());
            snapshot.abandoned();
        }
    }

    void closeAloneKeepsTheNew() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> dead;
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            dead = tokens(snapshot);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), dead)) {
            assertCovers(snapshot, dead, between, contents.now());
            snapshot.abandoned();
        }
        try (VmSnapshot snapshot = driver.begin(driver.repository(), dead)) {
            assertCovers(snapshot, dead, between, contents.now());
            snapshot.committed();
        }
    }

    void clearsTokensOfTheDead() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> dead;
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            dead = tokens(snapshot);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
            assertDropped(snapshot, dead, between, contents.now());
            snapshot.committed();
        }
    }

    void sparesTokensOfTheLiving() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> living;
        try (VmSnapshot snapshot = driver.begin()) {
            living = tokens(snapshot);
        }
        contents.writeSome();
        SnapshotRequest other = driver.request(driver.repository(), Map.of())
                .endedSessions(session -> false)
                .build();
        try (VmSnapshot snapshot =
                driver.connection().beginSnapshot(driver.known().id(), other)) {
            snapshot.committed();
        } catch (GenieVmException e) {
            assertThat(e.code()).as(e.getMessage()).isEqualTo(ErrorCode.BUSY);
        }
        contents.writeSome();
        try (VmSnapshot snapshot = driver.begin(driver.repository(), living)) {
            assertCovers(snapshot, living, before, contents.now());
            snapshot.abandoned();
        }
    }

    void repositoriesDoNotDisturbEachOther() {
        if (!tracks()) {
            return;
        }
        RepositoryId another = DriverUnderTest.newRepository();
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
        contents.writeSome();
        Map<DiskId, byte[]> between = contents.now();
        Map<DiskId, ChangeToken> others = backUp(another, Map.of());
        contents.writeSome();
        for (boolean commit : new boolean[] {false, true}) {
            try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
                assertCovers(snapshot, tokens, before, contents.now());
                if (commit) {
                    snapshot.committed();
                } else {
                    snapshot.abandoned();
                }
            }
            contents.writeSome();
            try (VmSnapshot snapshot = driver.begin(another, others)) {
                assertCovers(snapshot, others, between, contents.now());
                snapshot.abandoned();
            }
        }
    }

    void excludedDiskDoesNotBreakTheOthers() {
        if (!tracks()) {
            return;
        }
        assertThat(tracking.trackedDisks()).as("tracked disks of the known VM").hasSizeGreaterThan(1);
        KnownContents contents = contents();
        Map<DiskId, byte[]> before = contents.now();
        for (DiskId excluded : tracking.trackedDisks()) {
            Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
            contents.writeSome();
            SnapshotRequest request = driver.request(driver.repository(), tokens)
                    .excludedDisks(Set.of(excluded))
                    .build();
            Map<DiskId, ChangeToken> next;
            Map<DiskId, byte[]> between = contents.now();
            try (VmSnapshot snapshot =
                    driver.connection().beginSnapshot(driver.known().id(), request)) {
                assertCovers(snapshot, tokens, before, between);
                next = tokens(snapshot);
                assertThat(next.keySet())
                        .hasSize(tracking.trackedDisks().size() - 1)
                        .doesNotContain(excluded);
                snapshot.committed();
            }
            contents.writeSome();
            before = contents.now();
            try (VmSnapshot snapshot = driver.begin(driver.repository(), next)) {
                for (SnapshotDisk disk : tracked(snapshot)) {
                    if (!disk.id().equals(excluded)) {
                        assertCovers(disk, next, between, before);
                    }
                }
                snapshot.committed();
            }
        }
    }

    void tellsLostTracking() {
        if (!tracks()) {
            return;
        }
        KnownContents contents = contents();
        for (DiskId lost : tracking.trackedDisks()) {
            Map<DiskId, byte[]> before = contents.now();
            Map<DiskId, ChangeToken> tokens = backUp(driver.repository(), Map.of());
            contents.writeSome();
            tracking.loseTracking(driver.known().id(), lost);
            contents.writeSome();
            try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
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
            try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
                assertCovers(snapshot, tokens, before, contents.now());
                assertThat(snapshot.facts()).extracting(DriverFact::code).doesNotContain(DriverFact.TRACKING_LOST);
                snapshot.committed();
            }
        }
    }

    void doesNotTellLostTrackingInVain() {
        if (!tracks()) {
            return;
        }
        Map<DiskId, ChangeToken> tokens = Map.of();
        for (int i = 0; i < 3; i++) {
            try (VmSnapshot snapshot = driver.begin(driver.repository(), tokens)) {
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

    /** Whether changes are tracked; if they are not, that must be said. */
    private boolean tracks() {
        if (driver.connection().capabilities().contains(Capability.CHANGE_TRACKING)) {
            Assumptions.assumeFalse(
                    tracking.trackedDisks().isEmpty(), "the driver makes no token for any disk of the known VM");
            return true;
        }
        assertDoesNotTrack();
        return false;
    }

    private void assertDoesNotTrack() {
        Map<DiskId, ChangeToken> parents = new HashMap<>();
        driver.known().disks().keySet().forEach(disk -> parents.put(disk, new ChangeToken("of-other-times")));
        try (VmSnapshot snapshot = driver.begin(driver.repository(), parents)) {
            for (SnapshotDisk disk : snapshot.disks()) {
                assertThat(disk.token()).as("token without the capability").isEmpty();
                assertUnknown(disk.changesSince(Objects.requireNonNull(parents.get(disk.id()))));
            }
            snapshot.committed();
        }
    }

    private KnownContents contents() {
        return new KnownContents(driver.known(), tracking.trackedDisks(), tracking);
    }

    /** Takes a snapshot, as for a restore point that comes to be, and gives its tokens. */
    private Map<DiskId, ChangeToken> backUp(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        try (VmSnapshot snapshot = driver.begin(owner, parents)) {
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
                .filter(disk -> tracking.trackedDisks().contains(disk.id()))
                .toList();
    }

    private static ChangeToken token(Map<DiskId, ChangeToken> tokens, SnapshotDisk disk) {
        ChangeToken token = tokens.get(disk.id());
        assertThat(token).as("token of disk '%s'", disk.id()).isNotNull();
        return Objects.requireNonNull(token);
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
        KnownContents.assertCovers(
                disk,
                extents(disk, token(since, disk)),
                Objects.requireNonNull(before.get(disk.id())),
                Objects.requireNonNull(now.get(disk.id())));
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
                        Objects.requireNonNull(before.get(disk.id())),
                        Objects.requireNonNull(now.get(disk.id())));
            } else {
                assertUnknown(changes);
            }
        }
    }

    private void assertDropped(
            VmSnapshot snapshot, Map<DiskId, ChangeToken> tokens, Map<DiskId, byte[]> before, Map<DiskId, byte[]> now) {
        if (tracking.forgetsDroppedTokens()) {
            tracked(snapshot).forEach(disk -> assertUnknown(disk.changesSince(token(tokens, disk))));
        } else {
            assertUnknownOrCovers(snapshot, tokens, before, now);
        }
    }

    private static void assertUnknown(Changes changes) {
        assertThat(changes)
                .as("the answer of changesSince to a token that is none of this disk's own, was dropped, or was lost")
                .isInstanceOf(Changes.Unknown.class);
        assertThat(((Changes.Unknown) changes).reason()).matches("[A-Z][A-Z0-9_]*");
        assertThat(((Changes.Unknown) changes).message()).isNotBlank();
    }
}
