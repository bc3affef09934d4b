package io.genievm.core.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.BackupReport;
import io.genievm.core.DamagedPointException;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.StoreFault;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Backups, deletions and restores over a store of which many calls go wrong, in every way that a store may fail: whatever is
 * listed is restored equal or the call fails with a typed error; what was acknowledged stays; what was deleted stays deleted.
 */
class FaultHistoryPropertyTest {
    private static final List<String> VMS = List.of("web", "db");

    /** All that the contract of stores allows, and some of what it forbids but the core notices. */
    private static final List<StoreFault> FAULTS = List.of(
            StoreFault.refused(ErrorCode.TRANSIENT_IO_ERROR),
            StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR),
            StoreFault.answerLost(ErrorCode.TRANSIENT_IO_ERROR),
            StoreFault.refused(ErrorCode.IO_ERROR),
            StoreFault.brokenOff(ErrorCode.NO_SPACE),
            StoreFault.answerLost(ErrorCode.IO_ERROR),
            StoreFault.refused(ErrorCode.ACCESS_DENIED),
            StoreFault.slow(Duration.ofMillis(1)));

    @Test
    @DisplayName("8 histories")
    void histories() {
        Seeds.run(FaultHistoryPropertyTest.class, "histories", 8, random -> new Story(random).run());
    }

    @Test
    @Tag("torture")
    @DisplayName("500 histories")
    void manyHistories() {
        Seeds.torture(FaultHistoryPropertyTest.class, "manyHistories", 500, random -> new Story(random).run());
    }

    /** One repository and what is known of it. For one thread. */
    private static final class Story {
        private final Random random;
        private final List<String> told = new ArrayList<>();
        private final Set<SessionId> acknowledged = new HashSet<>();
        private final Set<SessionId> deleted = new HashSet<>();
        // Points whose deletion has failed: there or not, but not half.
        private final Set<SessionId> doubtful = new HashSet<>();
        private final Map<VmId, List<Map<DiskId, byte[]>>> unreported = new HashMap<>();
        private Lab lab;

        Story(Random random) {
            this.random = random;
        }

        void run() {
            try (Lab opened = new Lab(Lab.SMALL, 1)) {
                lab = opened;
                VMS.forEach(vm -> lab.addVm(vm, 300_000 + random.nextInt(1_500_000)));
                for (int step = 12 + random.nextInt(12); step > 0; step--) {
                    step();
                }
                lab.faulty().script(FaultScript.NONE);
                check();
                for (String vm : VMS) {
                    backup(vm, FaultScript.NONE);
                }
                check();
                lab.assertWhole();
            } catch (RuntimeException | Error e) {
                throw new AssertionError("after " + String.join("\n", told) + "\n" + e, e);
            }
        }

        private void step() {
            String vm = VMS.get(random.nextInt(2));
            FaultScript script = script();
            switch (random.nextInt(8)) {
                case 0, 1, 2, 3 -> {
                    lab.change(vm, random.nextInt(), 1 + random.nextInt(200_000));
                    backup(vm, script);
                }
                case 4 -> delete(script);
                case 5, 6 -> restore(script);
                default -> list(script);
            }
            if (random.nextInt(6) == 0) {
                lab.reopen();
            }
            check();
        }

        private FaultScript script() {
            if (random.nextInt(5) == 0) {
                StoreFault fault = FAULTS.get(random.nextInt(FAULTS.size()));
                return FaultScript.from(random.nextInt(60), fault);
            }
            List<StoreFault> faults = new ArrayList<>(FAULTS);
            if (random.nextInt(3) == 0) {
                // Only what passes, but plenty of it: most tasks come to a good end.
                faults.removeIf(fault -> !fault.toString().contains("TRANSIENT"));
                return FaultScript.seeded(random.nextLong(), 3 + random.nextInt(8), faults);
            }
            return FaultScript.seeded(random.nextLong(), 10 + random.nextInt(60), faults);
        }

        private void backup(String vm, FaultScript script) {
            told.add("backup of " + vm + " with " + script);
            Map<DiskId, byte[]> content = lab.contentOf(new VmId(vm));
            lab.faulty().script(script);
            try {
                BackupReport report = Lab.await(lab.beginBackup(vm));
                lab.remember(report, content);
                acknowledged.add(report.point());
                told.add("point " + report.point() + "; "
                        + lab.faulty().injected().size() + " faults");
            } catch (GenieVmException e) {
                assertTyped(e);
                unreported
                        .computeIfAbsent(new VmId(vm), key -> new ArrayList<>())
                        .add(content);
                told.add("failed: " + e);
            }
            lab.faulty().script(FaultScript.NONE);
        }

        private void delete(FaultScript script) {
            List<SessionId> points = anyListed();
            if (points.isEmpty()) {
                return;
            }
            SessionId point = points.get(random.nextInt(points.size()));
            told.add("deletion of " + point + " with " + script);
            lab.faulty().script(script);
            try {
                lab.repository().delete(point);
                deleted.add(point);
                doubtful.remove(point);
            } catch (GenieVmException e) {
                assertTyped(e);
                doubtful.add(point);
                told.add("failed: " + e);
            }
            acknowledged.remove(point);
            lab.faulty().script(FaultScript.NONE);
        }

        private void restore(FaultScript script) {
            List<SessionId> points = anyListed();
            if (points.isEmpty()) {
                return;
            }
            SessionId point = points.get(random.nextInt(points.size()));
            told.add("restore of " + point + " with " + script);
            lab.faulty().script(script);
            try {
                lab.assertRestores(point);
            } catch (GenieVmException e) {
                assertTyped(e);
                assertThat(e).isNotInstanceOf(DamagedPointException.class);
            }
            lab.faulty().script(FaultScript.NONE);
        }

        private void list(FaultScript script) {
            told.add("list with " + script);
            lab.faulty().script(script);
            RestorePointList list = null;
            try {
                list = lab.repository().points();
            } catch (GenieVmException e) {
                assertTyped(e);
            }
            lab.faulty().script(FaultScript.NONE);
            if (list != null) {
                assertThat(idsOf(list)).isEqualTo(idsOf(lab.repository().points()));
            }
        }

        private List<SessionId> anyListed() {
            return lab.repository().points().points().stream()
                    .map(RestorePoint::id)
                    .toList();
        }

        /** Without faults: what is listed is right, what was acknowledged is there. */
        private void check() {
            RestorePointList list = lab.repository().points();
            assertThat(list.unreadable()).isEmpty();
            for (RestorePoint point : list.points()) {
                if (!lab.points().contains(point.id())) {
                    identify(point);
                }
                lab.assertRestores(point.id());
            }
            Set<SessionId> listed = Set.copyOf(anyListed());
            assertThat(listed).containsAll(acknowledged).noneMatch(deleted::contains);
            for (String vm : VMS) {
                List<Long> sequences = list.points().stream()
                        .filter(point -> point.vm().value().equals(vm))
                        .map(RestorePoint::sequence)
                        .toList();
                assertThat(new TreeSet<>(sequences)).hasSameSizeAs(sequences);
            }
        }

        /** A backup that could not be told of its success is a point all the same; it holds what the VM held then. */
        private void identify(RestorePoint point) {
            List<Map<DiskId, byte[]>> candidates = unreported.getOrDefault(point.vm(), List.of());
            assertThat(candidates)
                    .as("point " + point.id() + " that nobody has made")
                    .isNotEmpty();
            AssertionError failure = null;
            for (Map<DiskId, byte[]> content : candidates) {
                lab.remember(
                        new BackupReport(
                                point.id(),
                                point.vm(),
                                point.sequence(),
                                point.parent(),
                                List.of(),
                                0,
                                List.of(),
                                Duration.ZERO),
                        content);
                try {
                    lab.assertRestores(point.id());
                    acknowledged.add(point.id());
                    return;
                } catch (AssertionError e) {
                    failure = e;
                }
            }
            throw new AssertionError("point " + point.id() + " is of no moment of its VM", failure);
        }

        private static Set<SessionId> idsOf(RestorePointList list) {
            assertThat(list.unreadable()).isEmpty();
            return list.points().stream().map(RestorePoint::id).collect(Collectors.toSet());
        }

        private static void assertTyped(GenieVmException e) {
            assertThat(e.code().category()).as(e.toString()).isIn(ErrorCategory.ENVIRONMENT, ErrorCategory.RESOURCE);
        }
    }
}
