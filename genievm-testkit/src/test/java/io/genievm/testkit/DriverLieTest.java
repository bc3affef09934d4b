package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DriverLieTest {
    private static final int CAPACITY = 100_000;
    private static final BrokenList.Range FIRST = new BrokenList.Range(4096, 4096);
    private static final BrokenList.Range SECOND = new BrokenList.Range(40_960, 8192);

    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final InMemoryVm vm = hypervisor.addVm("web");
    private final InMemoryDisk disk = vm.addDisk("a", CAPACITY);
    private final InMemoryDisk other = vm.addDisk("b", 2 * CAPACITY);
    private final Map<DiskId, ChangeToken> parents = new HashMap<>();
    private HypervisorConnection connection;
    private int sessions;

    @BeforeEach
    void backUp() {
        hypervisor.trackChanges(true);
        connection = hypervisor.connect();
        try (VmSnapshot snapshot = begin()) {
            snapshot.disks()
                    .forEach(frozen -> parents.put(frozen.id(), frozen.token().orElseThrow()));
            snapshot.committed();
        }
    }

    @Test
    @DisplayName("missing changes: what lies in the range is left out, to the byte, of every list")
    void missingChanges() {
        writeBoth();
        disk.lie(new DriverLie.MissingChanges(new Extent(5000, 40_000)));
        assertThat(changes()).containsExactly(range(4096, 904), range(45_000, 4152));
        assertThat(changes()).hasSize(2);
        assertThat(disk.liesTold()).isEqualTo(2);

        disk.lie(new DriverLie.MissingChanges(new Extent(60_000, 40_000)));
        assertTrue(2);
    }

    @Test
    @DisplayName("no changes: lists are empty, and that is true when nothing has changed")
    void noChanges() {
        disk.lie(new DriverLie.NoChanges());
        assertThat(changes()).isEmpty();
        assertThat(disk.liesTold()).isZero();

        writeBoth();
        assertThat(changes()).isEmpty();
        assertThat(disk.liesTold()).isEqualTo(1);

        disk.lie();
        assertTrue(1);
    }

    @Test
    @DisplayName("unrecorded writes: what is written meanwhile is missing for ever, what is written later is not")
    void unrecordedWrites() {
        disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, 5000)));
        disk.write(4096, new byte[] {1});
        disk.lie();
        assertThat(changes()).containsExactly(range(5000, 3192));

        disk.write(0, new byte[] {1});
        assertThat(changes()).containsExactly(range(0, 4096), range(5000, 3192));
    }

    @Test
    @DisplayName("stale token: what was written before the lie was set is left out, for older tokens")
    void staleToken() {
        disk.write(4096, new byte[4096]);
        disk.lie(new DriverLie.StaleToken());
        disk.write(40_960, new byte[8192]);
        assertThat(changes()).containsExactly(SECOND);
        assertThat(disk.liesTold()).isEqualTo(1);

        backUp();
        writeBoth();
        assertTrue(1);
    }

    @Test
    @DisplayName("another disk's list: that of the same time, cut at the capacity")
    void otherDisk() {
        disk.lie(new DriverLie.OtherDisk(other));
        writeBoth();
        other.write(0, new byte[10]);
        other.write(CAPACITY - 10, new byte[10_000]);
        assertThat(changes()).containsExactly(range(0, 4096), range(98_304, 1696));
        assertThat(disk.liesTold()).isEqualTo(1);

        backUp();
        assertThat(changes()).isEmpty();
        assertThat(disk.liesTold()).isEqualTo(1);

        InMemoryDisk stranger = hypervisor.addVm("another").addDisk("a", 1);
        assertThatThrownBy(() -> disk.lie(new DriverLie.OtherDisk(stranger)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    @DisplayName("unknown changes: with the reason that was set; what is truly unknown keeps its own")
    void unknownChanges() {
        disk.lie(new DriverLie.UnknownChanges("BITMAP_BUSY"));
        assertThat(unknown()).isEqualTo("BITMAP_BUSY");
        disk.loseTracking();
        assertThat(unknown()).isEqualTo("TRACKING_RESET");
        assertThat(disk.liesTold()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("a broken list is an empty one when nothing has changed or nothing is allocated")
    void brokenListNeedsSomethingToBreak(BrokenList how) {
        disk.lie(new DriverLie.BrokenChanges(how), new DriverLie.BrokenAllocation(how));

        assertThat(changes()).isEmpty();
        assertThat(allocated()).isEmpty();
        assertThat(disk.liesTold()).isZero();
    }

    @ParameterizedTest
    @EnumSource
    @DisplayName("a broken list breaks a rule for lists, of changes and of allocated ranges")
    void brokenListBreaksARule(BrokenList how) {
        writeBoth();
        assertThat(keepsTheRules(true)).isTrue();
        assertThat(keepsTheRules(false)).isTrue();
        disk.lie(new DriverLie.BrokenChanges(how));
        assertThat(keepsTheRules(true)).isFalse();
        assertThat(keepsTheRules(false)).isTrue();
        disk.lie(new DriverLie.BrokenAllocation(how));
        assertThat(keepsTheRules(true)).isTrue();
        assertThat(keepsTheRules(false)).isFalse();
        assertThat(disk.liesTold()).isEqualTo(2);
    }

    @Test
    @DisplayName("broken lists: each in its own way")
    void brokenLists() {
        writeBoth();
        assertThat(broken(BrokenList.UNSORTED)).containsExactly(SECOND, FIRST);
        assertThat(broken(BrokenList.OVERLAPPING)).containsExactly(FIRST, range(8191, 1), SECOND);
        assertThat(broken(BrokenList.PAST_END)).containsExactly(FIRST, range(40_960, CAPACITY + 1 - 40_960));
        assertThat(broken(BrokenList.EMPTY_EXTENT)).containsExactly(range(4096, 0), FIRST, SECOND);
        assertThat(broken(BrokenList.NEGATIVE_OFFSET)).containsExactly(range(-1, 8193), SECOND);
        assertThat(broken(BrokenList.NEGATIVE_LENGTH)).containsExactly(FIRST, range(40_960, -8192));
        assertThat(broken(BrokenList.OVERFLOWING)).containsExactly(FIRST, range(40_960, Long.MAX_VALUE));
        assertThat(broken(BrokenList.FAILS_MIDWAY)).containsExactly(FIRST);
    }

    @Test
    @DisplayName("broken lists: a single extent is given as two halves, the second one first")
    void unsortedNeedsTwo() {
        disk.write(4096, new byte[4096]);
        assertThat(broken(BrokenList.UNSORTED)).containsExactly(range(6144, 2048), range(4096, 2048));

        disk.trackingGrain(1);
        backUp();
        disk.write(7, new byte[1]);
        assertThat(broken(BrokenList.UNSORTED)).containsExactly(range(7, 1));
        assertThat(disk.liesTold()).isEqualTo(1);
    }

    @Test
    @DisplayName("broken lists: the endless ones do not end")
    void endlessLists() {
        writeBoth();
        disk.lie(new DriverLie.BrokenChanges(BrokenList.ENDLESS_REPETITION));
        try (VmSnapshot snapshot = begin()) {
            ExtentCursor cursor = cursor(snapshot);
            for (int i = 0; i < 1_000_000; i++) {
                assertThat(cursor.next()).isTrue();
            }
            assertThat(cursor.offset()).isEqualTo(SECOND.offset());
            assertThat(cursor.length()).isEqualTo(SECOND.length());
        }
        disk.lie(new DriverLie.BrokenChanges(BrokenList.ENDLESS_ASCENT));
        try (VmSnapshot snapshot = begin()) {
            ExtentCursor cursor = cursor(snapshot);
            for (long i = 0; i < 1_000_000; i++) {
                assertThat(cursor.next()).isTrue();
                assertThat(cursor.offset()).isEqualTo(2 * i);
                assertThat(cursor.length()).isEqualTo(1);
            }
        }
    }

    @Test
    @DisplayName("broken lists: one that breaks off does so with IO_ERROR, each time")
    void failsMidway() {
        writeBoth();
        disk.lie(new DriverLie.BrokenChanges(BrokenList.FAILS_MIDWAY));
        try (VmSnapshot snapshot = begin()) {
            ExtentCursor cursor = cursor(snapshot);
            assertThat(cursor.next()).isTrue();
            for (int i = 0; i < 2; i++) {
                Failures.assertFails(ErrorCode.IO_ERROR, cursor::next);
                assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
            }
        }
    }

    @Test
    @DisplayName("hidden allocation: what lies in the range seems to be zero, and changes are as they were")
    void hiddenAllocation() {
        writeBoth();
        disk.lie(new DriverLie.HiddenAllocation(new Extent(10, 20)));
        assertThat(allocated()).containsExactly(range(0, 10), range(30, 65_506));
        assertThat(disk.liesTold()).isEqualTo(1);
        assertTrue(1);

        disk.lie(new DriverLie.HiddenAllocation(new Extent(65_536, 20)));
        assertThat(allocated()).containsExactly(range(0, 65_536));
        assertThat(disk.liesTold()).isEqualTo(1);
    }

    @Test
    @DisplayName("lies lie on top of each other")
    void severalLies() {
        writeBoth();
        disk.lie(
                new DriverLie.MissingChanges(new Extent(4096, 4096)),
                new DriverLie.MissingChanges(new Extent(40_960, 4096)),
                new DriverLie.BrokenChanges(BrokenList.UNSORTED));
        assertThat(changes()).containsExactly(range(47_104, 2048), range(45_056, 2048));
        assertThat(disk.liesTold()).isEqualTo(1);
    }

    private void writeBoth() {
        disk.write(4096, new byte[] {1});
        disk.write(45_000, new byte[1000]);
        disk.write(40_960, new byte[1]);
    }

    private void assertTrue(int liesTold) {
        assertThat(changes()).containsExactly(FIRST, SECOND);
        assertThat(disk.liesTold()).isEqualTo(liesTold);
    }

    private static BrokenList.Range range(long offset, long length) {
        return new BrokenList.Range(offset, length);
    }

    private List<BrokenList.Range> broken(BrokenList how) {
        disk.lie(new DriverLie.BrokenChanges(how));
        return changes();
    }

    private VmSnapshot begin() {
        return connection.beginSnapshot(
                vm.id(),
                SnapshotRequest.builder(
                                new RepositoryId("1".repeat(32)), new SessionId(String.format("%032x", ++sessions)))
                        .parentTokens(parents)
                        .endedSessions(session -> true)
                        .build());
    }

    private Changes answer(VmSnapshot snapshot) {
        SnapshotDisk frozen = snapshot.disks().get(0);
        return frozen.changesSince(Objects.requireNonNull(parents.get(frozen.id())));
    }

    private ExtentCursor cursor(VmSnapshot snapshot) {
        Changes changes = answer(snapshot);
        assertThat(changes).isInstanceOf(Changes.Known.class);
        return ((Changes.Known) changes).extents();
    }

    private String unknown() {
        try (VmSnapshot snapshot = begin()) {
            Changes changes = answer(snapshot);
            assertThat(changes).isInstanceOf(Changes.Unknown.class);
            return ((Changes.Unknown) changes).reason();
        }
    }

    private List<BrokenList.Range> changes() {
        try (VmSnapshot snapshot = begin()) {
            return ranges(cursor(snapshot));
        }
    }

    private List<BrokenList.Range> allocated() {
        try (VmSnapshot snapshot = begin()) {
            return ranges(snapshot.disks().get(0).allocated());
        }
    }

    private static List<BrokenList.Range> ranges(ExtentCursor cursor) {
        List<BrokenList.Range> ranges = new ArrayList<>();
        try (cursor) {
            while (cursor.next()) {
                ranges.add(range(cursor.offset(), cursor.length()));
            }
        } catch (GenieVmException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.IO_ERROR);
        }
        return ranges;
    }

    private boolean keepsTheRules(boolean ofChanges) {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk frozen = snapshot.disks().get(0);
            Disks.extents(ofChanges ? cursor(snapshot) : frozen.allocated(), frozen.capacity());
            return true;
        } catch (AssertionError | IllegalArgumentException | GenieVmException e) {
            return false;
        }
    }
}
