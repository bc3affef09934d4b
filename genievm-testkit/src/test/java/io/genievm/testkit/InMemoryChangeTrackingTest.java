package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class InMemoryChangeTrackingTest {
    private static final RepositoryId ONE = new RepositoryId("1".repeat(32));
    private static final RepositoryId TWO = new RepositoryId("2".repeat(32));

    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final InMemoryVm vm = hypervisor.addVm("web");
    private final InMemoryDisk disk = vm.addDisk("a", 100_000);
    private HypervisorConnection connection;
    private int sessions;

    @BeforeEach
    void connect() {
        hypervisor.trackChanges(true);
        connection = hypervisor.connect();
    }

    @Test
    @DisplayName("changes are those between the token and the snapshot, rounded outwards to the grain, cut at the end")
    void givesWhatWasWritten() {
        disk.write(8192, new byte[4096]);
        ChangeToken token = Objects.requireNonNull(backUp(Map.of()).get("a"));
        disk.write(4095, new byte[2]);
        disk.write(99_999, new byte[1]);
        disk.zero(50_000, 10);
        disk.write(70_000, new byte[0]);
        try (VmSnapshot snapshot = begin(Map.of("a", token))) {
            disk.write(20_000, new byte[5000]);

            assertThat(changes(snapshot, token))
                    .containsExactly(new Extent(0, 8192), new Extent(49_152, 4096), new Extent(98_304, 1696));
            assertThat(changes(snapshot, token)).as("the second time").hasSize(3);
            snapshot.abandoned();
        }
        disk.trackingGrain(1);
        disk.write(60_001, new byte[3]);
        try (VmSnapshot snapshot = begin(Map.of("a", token))) {
            assertThat(changes(snapshot, token))
                    .containsExactly(
                            new Extent(0, 8192),
                            new Extent(16_384, 12_288),
                            new Extent(49_152, 4096),
                            new Extent(60_001, 3),
                            new Extent(98_304, 1696));
        }
    }

    @Test
    @DisplayName("for random writes, sizes, commits, failures and lost tokens, every list is that of a set of grains")
    void isLikeASetOfGrains() {
        for (int seed = 0; seed < 40; seed++) {
            Random random = new Random(seed);
            int grain = 1 << random.nextInt(9);
            InMemoryVm own = hypervisor.addVm("vm" + seed);
            InMemoryDisk written = own.addDisk("a", 10_000);
            written.trackingGrain(grain);
            Map<ChangeToken, BitSet> alive = new HashMap<>();
            Map<RepositoryId, ChangeToken> parents = new HashMap<>();
            for (int step = 0; step < 150; step++) {
                int offset = random.nextInt(10_000);
                int length = random.nextInt(Math.min(300, 10_000 - offset)) + 1;
                if (random.nextInt(4) > 0) {
                    if (random.nextBoolean()) {
                        written.write(offset, new byte[length]);
                    } else {
                        written.zero(offset, length);
                    }
                    alive.values().forEach(bits -> bits.set(offset / grain, (offset + length - 1) / grain + 1));
                    continue;
                }
                if (random.nextInt(20) == 0) {
                    written.resize(5000);
                    written.resize(10_000);
                    alive.values().forEach(bits -> bits.set(5000 / grain, 9999 / grain + 1));
                }
                if (random.nextInt(20) == 0) {
                    written.loseTracking();
                    alive.clear();
                }
                RepositoryId repository = random.nextBoolean() ? ONE : TWO;
                ChangeToken parent = parents.get(repository);
                Map<DiskId, ChangeToken> tokens = parent == null ? Map.of() : Map.of(written.id(), parent);
                SnapshotRequest request = request(repository, tokens).build();
                VmSnapshot snapshot = connection.beginSnapshot(own.id(), request);
                SnapshotDisk frozen = snapshot.disks().get(0);
                if (parent != null) {
                    Changes changes = frozen.changesSince(parent);
                    assertThat(changes instanceof Changes.Known)
                            .as("known, seed %d, step %d", seed, step)
                            .isEqualTo(alive.containsKey(parent));
                    if (changes instanceof Changes.Known known) {
                        assertThat(grains(Disks.extents(known.extents(), 10_000), grain))
                                .as("changes, seed %d, step %d", seed, step)
                                .isEqualTo(alive.get(parent));
                    }
                }
                switch (random.nextInt(3)) {
                    case 0 -> {
                        snapshot.committed();
                        alive.put(frozen.token().orElseThrow(), new BitSet());
                        if (parent != null) {
                            alive.remove(parent);
                        }
                        parents.put(repository, frozen.token().orElseThrow());
                    }
                    case 1 -> snapshot.abandoned();
                    default -> {
                        // The restore point got into the repository or did not: the next parent tells.
                        if (random.nextBoolean()) {
                            alive.put(frozen.token().orElseThrow(), new BitSet());
                            parents.put(repository, frozen.token().orElseThrow());
                        }
                    }
                }
                snapshot.close();
                assertThat(written.tokens()).as("seed %d, step %d", seed, step).containsAll(existing(parents, alive));
                assertThat(written.tokens()).as("seed %d, step %d", seed, step).hasSizeLessThanOrEqualTo(4);
            }
        }
    }

    @Test
    @DisplayName("tokens bear the name of the marker, are one for each disk and snapshot, and stay the same")
    void tokensAreUnique() {
        vm.addDisk("b", 0);
        SnapshotRequest request = request(ONE, Map.of()).build();
        List<ChangeToken> tokens = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            try (VmSnapshot snapshot = connection.beginSnapshot(vm.id(), request)) {
                for (SnapshotDisk frozen : snapshot.disks()) {
                    tokens.add(frozen.token().orElseThrow());
                    assertThat(frozen.token()).isEqualTo(frozen.token());
                }
            }
        }
        assertThat(tokens).hasSize(4).doesNotHaveDuplicates();
        assertThat(tokens).allMatch(token -> token.value().startsWith(request.markerName()));
    }

    @Test
    @DisplayName("committed() drops the parent's tokens, and no other repository's")
    void committedDropsTheParents() {
        ChangeToken first = Objects.requireNonNull(backUp(Map.of()).get("a"));
        ChangeToken foreign = backUp(TWO, Map.of());
        try (VmSnapshot snapshot = begin(Map.of("a", first))) {
            assertThat(disk.tokens()).containsExactly(first, foreign, token(snapshot));
            snapshot.committed();
            assertThat(disk.tokens()).containsExactly(foreign, token(snapshot));
            assertThat(unknown(snapshot, first)).isEqualTo("TOKEN_UNKNOWN");
            assertThat(snapshot.facts()).isEmpty();
        }
    }

    @Test
    @DisplayName("abandoned() drops the new tokens, close() alone keeps both, the next snapshot clears the others")
    void dropsByOutcome() {
        ChangeToken parent = Objects.requireNonNull(backUp(Map.of()).get("a"));
        VmSnapshot snapshot = begin(Map.of("a", parent));
        ChangeToken abandoned = token(snapshot);
        snapshot.abandoned();
        snapshot.close();
        assertThat(disk.tokens()).containsExactly(parent);

        VmSnapshot dead = begin(Map.of("a", parent));
        dead.close();
        assertThat(disk.tokens()).containsExactly(parent, token(dead));

        try (VmSnapshot next = begin(Map.of("a", token(dead)))) {
            assertThat(disk.tokens()).containsExactly(token(dead), token(next));
            assertThat(next.facts()).isEmpty();
            assertThat(unknown(next, abandoned)).isEqualTo("TOKEN_UNKNOWN");
        }
        try (VmSnapshot next = begin(Map.of("a", token(dead)))) {
            assertThat(disk.tokens()).containsExactly(token(dead), token(next));
            assertThat(next.facts()).extracting(DriverFact::code).containsExactly(DriverFact.LEFTOVER_CLEARED);
        }
    }

    @Test
    @DisplayName("the tokens of a session that has not ended, and those of another repository, are left alone")
    void sparesTheLiving() {
        VmSnapshot living =
                connection.beginSnapshot(vm.id(), request(ONE, Map.of()).build());
        VmSnapshot other =
                connection.beginSnapshot(vm.id(), request(TWO, Map.of()).build());
        try (VmSnapshot next = connection.beginSnapshot(
                vm.id(), request(ONE, Map.of()).endedSessions(session -> false).build())) {
            next.committed();
            assertThat(disk.tokens()).containsExactly(token(living), token(other), token(next));
        }
        living.close();
        other.close();
    }

    @Test
    @DisplayName("a connection that is closed leaves all tokens, as a snapshot that is closed alone does")
    void closedConnectionLeavesTokens() {
        ChangeToken parent = Objects.requireNonNull(backUp(Map.of()).get("a"));
        VmSnapshot snapshot = begin(Map.of("a", parent));
        ChangeToken own = token(snapshot);
        connection.close();
        snapshot.close();

        assertThat(disk.tokens()).containsExactly(parent, own);
    }

    @Test
    @DisplayName("a hook that fails committed() or abandoned() leaves all tokens")
    void failedEndKeepsTokens() {
        ChangeToken parent = Objects.requireNonNull(backUp(Map.of()).get("a"));
        for (boolean commit : new boolean[] {true, false}) {
            try (VmSnapshot snapshot = begin(Map.of("a", parent))) {
                hypervisor.hook(event -> {
                    throw new IllegalStateException("as wished");
                });
                assertThatThrownBy(commit ? snapshot::committed : snapshot::abandoned)
                        .hasMessage("as wished");
                hypervisor.removeHook();
                assertThat(disk.tokens()).containsExactly(parent, token(snapshot));
            }
        }
    }

    @Test
    @DisplayName("an excluded disk gets no token, and the others are as ever")
    void excludedDiskIsNotTracked() {
        InMemoryDisk other = vm.addDisk("b", 10_000);
        Map<String, ChangeToken> parents = backUp(Map.of());
        disk.write(0, new byte[1]);
        SnapshotRequest request =
                request(ONE, named(parents)).excludedDisks(Set.of(other.id())).build();
        try (VmSnapshot snapshot = connection.beginSnapshot(vm.id(), request)) {
            assertThat(snapshot.disks()).hasSize(1);
            assertThat(other.tokens()).containsExactly(parents.get("b"));
            assertThat(changes(snapshot, Objects.requireNonNull(parents.get("a"))))
                    .containsExactly(new Extent(0, 4096));
            snapshot.committed();
            assertThat(other.tokens()).isEmpty();
        }
    }

    @Test
    @DisplayName("what is not the disk's own token is unknown, and a lost parent is told")
    void unknownTokens() {
        vm.addDisk("b", 10_000);
        Map<String, ChangeToken> parents = backUp(Map.of());
        try (VmSnapshot snapshot = begin(parents)) {
            assertThat(unknown(snapshot, Objects.requireNonNull(parents.get("b"))))
                    .isEqualTo("TOKEN_UNKNOWN");
            assertThat(unknown(snapshot, new ChangeToken("nonsense"))).isEqualTo("TOKEN_UNKNOWN");
            assertThat(changes(snapshot, token(snapshot))).as("since its own").isEmpty();
            assertThat(snapshot.facts()).isEmpty();

            disk.loseTracking();
            assertThat(unknown(snapshot, Objects.requireNonNull(parents.get("a"))))
                    .isEqualTo("TRACKING_RESET");
            assertThat(unknown(snapshot, token(snapshot))).isEqualTo("TRACKING_RESET");
            assertThat(snapshot.facts())
                    .extracting(DriverFact::code, DriverFact::disk)
                    .containsExactly(org.assertj.core.groups.Tuple.tuple(DriverFact.TRACKING_LOST, disk.id()));
        }
        parents = backUp(Map.of());
        vm.removeDisk("a");
        vm.addDisk("a", 100_000);
        try (VmSnapshot snapshot = begin(parents)) {
            assertThat(unknown(snapshot, Objects.requireNonNull(parents.get("a"))))
                    .isEqualTo("TOKEN_UNKNOWN");
            assertThat(snapshot.facts()).extracting(DriverFact::code).containsExactly(DriverFact.TRACKING_LOST);
        }
    }

    @Test
    @DisplayName("a token of another capacity is unknown; a disk that has its old capacity again is not")
    void resizedDisk() {
        ChangeToken parent = Objects.requireNonNull(backUp(Map.of()).get("a"));
        disk.resize(50_000);
        try (VmSnapshot snapshot = begin(Map.of("a", parent))) {
            assertThat(unknown(snapshot, parent)).isEqualTo("RESIZED");
            snapshot.abandoned();
        }
        disk.resize(100_000);
        try (VmSnapshot snapshot = begin(Map.of("a", parent))) {
            assertThat(changes(snapshot, parent)).containsExactly(new Extent(49_152, 50_848));
        }
    }

    @Test
    @DisplayName("a snapshot does not know younger tokens")
    void youngerTokenIsUnknown() {
        try (VmSnapshot older = begin(Map.of());
                VmSnapshot younger =
                        connection.beginSnapshot(vm.id(), request(TWO, Map.of()).build())) {
            assertThat(unknown(older, token(younger))).isEqualTo("TOKEN_TOO_NEW");
            assertThat(changes(younger, token(older))).isEmpty();
        }
    }

    @Test
    @DisplayName("no tokens for a disk that is not tracked, nor on a connection without the capability")
    void tracksOnlyWhereToldTo() {
        vm.addDisk("b", 10_000);
        ChangeToken parent = Objects.requireNonNull(backUp(Map.of()).get("a"));
        disk.trackChanges(false);
        assertThat(disk.tokens()).isEmpty();
        try (VmSnapshot snapshot = begin(Map.of("a", parent))) {
            assertThat(snapshot.disks().get(0).token()).isEmpty();
            assertThat(snapshot.disks().get(1).token()).isPresent();
            assertThat(unknown(snapshot, parent)).isEqualTo("NO_TRACKING");
        }
        disk.trackChanges(true);
        hypervisor.trackChanges(false);
        assertThat(connection.capabilities()).contains(Capability.CHANGE_TRACKING);
        connection = hypervisor.connect();
        assertThat(connection.capabilities()).doesNotContain(Capability.CHANGE_TRACKING);
        try (VmSnapshot snapshot = begin(Map.of("a", parent))) {
            assertThat(snapshot.disks()).allMatch(frozen -> frozen.token().isEmpty());
            assertThat(unknown(snapshot, parent)).isEqualTo("NO_TRACKING");
            assertThat(snapshot.facts()).extracting(DriverFact::code).contains(DriverFact.TRACKING_LOST);
        }
    }

    @Test
    @DisplayName("a grain is a power of two")
    void refusesOtherGrains() {
        for (int grain : new int[] {0, 3, -1, Integer.MIN_VALUE, 4097}) {
            assertThatThrownBy(() -> disk.trackingGrain(grain)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    @DisplayName("changes of a disk as large as can be are where they were made")
    void hugeDisk() {
        InMemoryDisk huge = vm.addDisk("0", Long.MAX_VALUE);
        ChangeToken token = Objects.requireNonNull(backUp(Map.of()).get("0"));
        huge.write(Long.MAX_VALUE - 1, new byte[1]);
        huge.zero(1L << 40, 1L << 50);
        try (VmSnapshot snapshot = begin(Map.of("0", token))) {
            assertThat(changes(snapshot, token))
                    .containsExactly(new Extent(1L << 40, 1L << 50), new Extent(Long.MAX_VALUE - 4095, 4095));
        }
    }

    private VmSnapshot begin(Map<String, ChangeToken> parents) {
        return connection.beginSnapshot(vm.id(), request(ONE, named(parents)).build());
    }

    private Map<String, ChangeToken> backUp(Map<String, ChangeToken> parents) {
        try (VmSnapshot snapshot = begin(parents)) {
            snapshot.committed();
            Map<String, ChangeToken> tokens = new HashMap<>();
            snapshot.disks()
                    .forEach(frozen -> frozen.token()
                            .ifPresent(token -> tokens.put(frozen.id().value(), token)));
            return tokens;
        }
    }

    private ChangeToken backUp(RepositoryId repository, Map<String, ChangeToken> parents) {
        try (VmSnapshot snapshot = connection.beginSnapshot(
                vm.id(), request(repository, named(parents)).build())) {
            snapshot.committed();
            return token(snapshot);
        }
    }

    private SnapshotRequest.Builder request(RepositoryId repository, Map<DiskId, ChangeToken> parents) {
        return SnapshotRequest.builder(repository, new SessionId(String.format("%032x", ++sessions)))
                .parentTokens(parents)
                .endedSessions(session -> true);
    }

    private static Map<DiskId, ChangeToken> named(Map<String, ChangeToken> tokens) {
        Map<DiskId, ChangeToken> named = new HashMap<>();
        tokens.forEach((id, token) -> named.put(new DiskId(id), token));
        return named;
    }

    private static ChangeToken token(VmSnapshot snapshot) {
        return snapshot.disks().get(0).token().orElseThrow();
    }

    private static List<Extent> changes(VmSnapshot snapshot, ChangeToken token) {
        SnapshotDisk frozen = snapshot.disks().get(0);
        Changes changes = frozen.changesSince(token);
        assertThat(changes).isInstanceOf(Changes.Known.class);
        return Disks.extents(((Changes.Known) changes).extents(), frozen.capacity());
    }

    private static String unknown(VmSnapshot snapshot, ChangeToken token) {
        Changes changes = snapshot.disks().get(0).changesSince(token);
        assertThat(changes).isInstanceOf(Changes.Unknown.class);
        return ((Changes.Unknown) changes).reason();
    }

    private static BitSet grains(List<Extent> extents, int grain) {
        BitSet bits = new BitSet();
        for (Extent extent : extents) {
            assertThat(extent.offset() % grain).isZero();
            bits.set((int) (extent.offset() / grain), (int) ((extent.end() - 1) / grain) + 1);
        }
        return bits;
    }

    private static List<ChangeToken> existing(Map<RepositoryId, ChangeToken> parents, Map<ChangeToken, BitSet> alive) {
        return Arrays.asList(ONE, TWO).stream()
                .map(parents::get)
                .filter(alive::containsKey)
                .toList();
    }
}
