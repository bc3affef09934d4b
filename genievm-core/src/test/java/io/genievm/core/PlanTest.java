package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.testkit.BrokenList;
import io.genievm.testkit.DriverLie;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryVm;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("plans and audits")
class PlanTest {
    private static final VmId VM = new VmId("web");
    private static final DiskId ROOT = new DiskId("root");
    private static final int CHUNK = 4096;
    private static final int MIB = 1 << 20;
    /** Two levels of map, and an end that is not aligned. */
    private static final int CAPACITY = 9 * MIB + 100;

    private static final InterceptedStore.Interceptor WITHOUT_COMMIT = new InterceptedStore.Interceptor() {
        @Override
        public PutOutcome put(BlobStore store, String key, BlobContent content) {
            if (key.startsWith("points/")) {
                throw new GenieVmException(ErrorCode.NO_SPACE, "full");
            }
            return store.put(key, content);
        }
    };

    private final Lab lab = new Lab();
    private InMemoryHypervisor hypervisor;
    private HypervisorConnection connection;
    private InMemoryVm vm;
    private InMemoryDisk disk;

    @BeforeEach
    void makeVm() {
        hypervisor = lab.hypervisor();
        hypervisor.trackChanges(true);
        connection = hypervisor.connect();
        vm = hypervisor.addVm("web");
        disk = vm.addDisk("root", Lab.random(1, CAPACITY));
    }

    @AfterEach
    void close() {
        connection.close();
        lab.close();
    }

    @Nested
    @DisplayName("a plan is chosen")
    class Choice {
        @Test
        @DisplayName("ALL without a parent, and for a disk that it does not have")
        void all() {
            assertPlan(backup(), ROOT, DiskPlan.ALL, "NO_PARENT");
            vm.addDisk("data", Lab.random(2, MIB));

            BackupReport second = backup();

            assertPlan(second, new DiskId("data"), DiskPlan.ALL, "DISK_ADDED");
            assertPlan(second, ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("CHANGED by the parent's token: reads what has changed, rounded to chunks, and nothing else")
        void changed() {
            backup();
            disk.write(5 * CHUNK + 10, Lab.random(3, 20));
            disk.write(6 * MIB - 1, Lab.random(4, 2));
            disk.write(CAPACITY - 1, new byte[] {42});

            BackupReport second = backup();

            BackupReport.Disk changed = assertPlan(second, ROOT, DiskPlan.CHANGED, null);
            assertThat(changed.readBytes()).isEqualTo(3 * CHUNK + CAPACITY % CHUNK);
            assertThat(changed.changedBytes()).isEqualTo(changed.readBytes());
            assertThat(changed.trust()).isEqualTo(Trust.SAMPLED);
            lab.assertWhole();
        }

        @Test
        @DisplayName("CHANGED with nothing changed reads and stores nothing")
        void nothing() {
            backup();

            BackupReport.Disk unchanged = assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);

            assertThat(unchanged.readBytes()).isZero();
            assertThat(unchanged.changedBytes()).isZero();
            assertThat(unchanged.storedBytes()).isZero();
        }

        @Test
        @DisplayName("what has changed and is a hole now is zero without a read")
        void discarded() {
            backup();
            disk.zero(2 * MIB, 6 * MIB);

            BackupReport.Disk changed = assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);

            assertThat(changed.readBytes()).isZero();
            assertThat(changed.changedBytes()).isEqualTo(6 * MIB);
        }

        @Test
        @DisplayName("a disk that is emptied and filled again")
        void emptied() {
            backup();
            disk.zero(0, CAPACITY);
            assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);
            disk.write(8 * MIB, Lab.random(5, 10));
            assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);
            disk.write(0, Lab.random(6, CAPACITY));

            BackupReport.Disk full = assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);

            assertThat(full.trust()).as("every chunk was read").isEqualTo(Trust.PROVEN);
        }

        @Test
        @DisplayName("SCAN when the disk was resized")
        void resized() {
            backup();
            disk.resize(CAPACITY + 4 * MIB);
            disk.write(CAPACITY, Lab.random(7, 10));
            BackupReport.Disk grown = assertPlan(backup(), ROOT, DiskPlan.SCAN, "RESIZED");
            assertThat(grown.changedBytes()).isEqualTo(CHUNK);

            disk.resize(MIB);
            assertPlan(backup(), ROOT, DiskPlan.SCAN, "RESIZED");
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("SCAN with the driver's word when tracking was lost; then CHANGED again")
        void lost() {
            backup();
            disk.loseTracking();

            BackupReport.Disk scanned = assertPlan(backup(), ROOT, DiskPlan.SCAN, "TRACKING_RESET");
            assertThat(scanned.readBytes()).isEqualTo(CAPACITY);
            assertThat(scanned.storedBytes()).isZero();
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("SCAN when the parent comes from another place")
        void elsewhere() {
            backup();
            InMemoryHypervisor other = new InMemoryHypervisor();
            other.trackChanges(true);
            other.addVm("web").addDisk("root", disk.content());
            try (HypervisorConnection there = other.connect()) {
                BackupReport report =
                        Lab.await(lab.repository().backup(there, request().build()));
                assertPlan(report, ROOT, DiskPlan.SCAN, "SOURCE_DIFFERS");
            }
        }

        @Test
        @DisplayName("SCAN when the parent has no token")
        void untracked() {
            disk.trackChanges(false);
            backup();
            disk.trackChanges(true);

            assertPlan(backup(), ROOT, DiskPlan.SCAN, "NO_TOKEN");
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("ALL when it is asked for")
        void full() {
            backup();
            BackupReport.Disk all =
                    assertPlan(backup(request().full(true).build()), ROOT, DiskPlan.ALL, "FULL_REQUESTED");
            assertThat(all.storedBytes()).isZero();
            assertThat(all.trust()).isEqualTo(Trust.PROVEN);
        }

        @Test
        @DisplayName("per disk: one bad disk does not make the others full")
        void perDisk() {
            InMemoryDisk data = vm.addDisk("data", Lab.random(8, MIB));
            backup();
            data.loseTracking();

            BackupReport report = backup();

            assertPlan(report, ROOT, DiskPlan.CHANGED, null);
            assertPlan(report, new DiskId("data"), DiskPlan.SCAN, "TRACKING_RESET");
        }

        @ParameterizedTest
        @EnumSource(BrokenList.class)
        @DisplayName("SCAN with a warning when the list of changes breaks its rules")
        void brokenList(BrokenList how) {
            backup();
            disk.write(3 * MIB, Lab.random(9, 2 * CHUNK));
            disk.write(5 * MIB, Lab.random(9, 2 * CHUNK));
            disk.lie(new DriverLie.BrokenChanges(how));

            BackupReport report = backup();

            assertPlan(report, ROOT, DiskPlan.SCAN, "TRACKING_LOST");
            assertThat(report.warnings()).extracting(Warning::code).containsExactly("TRACKING_LOST");
            disk.lie();
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @ParameterizedTest
        @EnumSource(BrokenList.class)
        @DisplayName("everything is read when the list of what is allocated breaks its rules")
        void brokenAllocation(BrokenList how) {
            disk.zero(0, 4 * MIB);
            disk.lie(new DriverLie.BrokenAllocation(how));

            BackupReport report = backup();

            assertThat(report.disks().get(0).readBytes()).isEqualTo(CAPACITY);
            assertThat(report.warnings()).extracting(Warning::code).containsExactly("ALLOCATION_UNKNOWN");
        }

        @ParameterizedTest
        @EnumSource(
                value = InMemoryHypervisor.Call.class,
                names = {"ALLOCATED", "CHANGES_SINCE"})
        @DisplayName("by reading everything when a list fails, whatever the error")
        void failingList(InMemoryHypervisor.Call call) {
            backup();
            for (ErrorCode code : List.of(ErrorCode.IO_ERROR, ErrorCode.SOURCE_CHANGED, ErrorCode.SNAPSHOT_LOST)) {
                hypervisor.hook(event -> {
                    if (event.call() == call) {
                        throw new GenieVmException(code, "no list");
                    }
                });
                boolean changes = call == InMemoryHypervisor.Call.CHANGES_SINCE;

                BackupReport report = unaudited();

                assertPlan(report, ROOT, changes ? DiskPlan.SCAN : DiskPlan.CHANGED, changes ? "TRACKING_LOST" : null);
                assertThat(report.warnings())
                        .extracting(Warning::code)
                        .containsExactly(changes ? "TRACKING_LOST" : "ALLOCATION_UNKNOWN");
            }
        }

        @Test
        @DisplayName("a source that is read in large blocks has whole blocks read")
        void aligned() {
            disk.limits(new DiskLimits(1, 1, MIB, 64 << 10));
            backup();
            disk.write(100_000, new byte[] {1});

            BackupReport.Disk changed = assertPlan(unaudited(), ROOT, DiskPlan.CHANGED, null);

            assertThat(changed.readBytes()).isEqualTo(64 << 10);
            assertThat(backup().disks().get(0).audit().mismatches()).isEmpty();
        }
    }

    @Nested
    @DisplayName("tokens")
    class Tokens {
        @Test
        @DisplayName("the parent's token is dropped by the commit, and kept by a failure")
        void life() {
            backup();
            List<ChangeToken> first = disk.tokens();
            assertThat(first).hasSize(1);

            lab.store().intercept(WITHOUT_COMMIT);
            Lab.failureOf(lab.repository().backup(connection, request().build()));
            lab.store().stopIntercepting();
            assertThat(disk.tokens()).containsAll(first);

            disk.write(0, new byte[] {1});
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
            assertThat(disk.tokens()).hasSize(1).doesNotContainAnyElementsOf(first);
        }

        @Test
        @DisplayName("two repositories do not disturb each other's")
        void twoRepositories() {
            try (Lab other = new Lab()) {
                backup();
                disk.write(0, new byte[] {1});
                Lab.await(other.repository().backup(connection, request().build()));
                disk.write(MIB, new byte[] {2});
                BackupReport second = backup();
                disk.write(2 * MIB, new byte[] {3});
                BackupReport there = Lab.await(
                        other.repository().backup(connection, request().build()));

                assertThat(assertPlan(second, ROOT, DiskPlan.CHANGED, null).changedBytes())
                        .isEqualTo(2 * CHUNK);
                assertThat(assertPlan(there, ROOT, DiskPlan.CHANGED, null).changedBytes())
                        .isEqualTo(2 * CHUNK);
            }
        }

        @Test
        @DisplayName("a point that is committed while the index is read is not gone on from")
        void committedMeanwhile() {
            SessionId first = backup().point();
            disk.write(0, new byte[] {1});
            AtomicReference<SessionId> meanwhile = new AtomicReference<>();
            lab.store().intercept(new InterceptedStore.Interceptor() {
                @Override
                public BlobCursor list(BlobStore store, String prefix) {
                    if (prefix.equals("index/")) {
                        lab.store().stopIntercepting();
                        meanwhile.set(Lab.await(lab.repository()
                                        .backup(connection, request().build()))
                                .point());
                    }
                    return store.list(prefix);
                }
            });

            BackupReport report = backup();

            assertThat(meanwhile.get()).isNotNull();
            assertThat(report.parent()).isEqualTo(first);
            assertThat(report.warnings()).extracting(Warning::code).doesNotContain("PARENT_DAMAGED");
            assertThat(report.disks().get(0).changedBytes()).isEqualTo(CHUNK);
        }

        @Test
        @DisplayName("after the latest point is deleted the older token, if it is gone, means SCAN")
        void deleted() {
            SessionId first = backup().point();
            disk.write(0, new byte[] {1});
            SessionId second = backup().point();

            lab.repository().delete(second);

            BackupReport third = backup();
            assertThat(third.parent()).isEqualTo(first);
            assertPlan(third, ROOT, DiskPlan.SCAN, "TOKEN_UNKNOWN");
        }
    }

    @Nested
    @DisplayName("an audit")
    class Audits {
        @Test
        @DisplayName(
                "of everything finds a lie at once; the point is right, unproven points are suspect, then all is normal")
        void full() {
            SessionId first = backup().point();
            SessionId second = backup().point();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(4 * MIB, MIB)));
            disk.write(4 * MIB + 5, Lab.random(10, CHUNK));
            disk.lie();
            SessionId third =
                    backup(request().audit(AuditMode.NONE).build(), false).point();

            BackupReport fourth = backup(request().audit(AuditMode.FULL).build());

            BackupReport.Disk found = assertPlan(fourth, ROOT, DiskPlan.SCAN, "AUDIT_MISMATCH");
            assertThat(found.trust()).isEqualTo(Trust.PROVEN);
            assertThat(found.audit().share()).isEqualTo(1);
            assertThat(found.audit().mismatches()).containsExactly(new Extent(4 * MIB, 2 * CHUNK));
            assertThat(fourth.warnings()).extracting(Warning::code).containsExactly("AUDIT_MISMATCH");
            assertThat(trust())
                    .isEqualTo(Map.of(
                            first,
                            Trust.PROVEN,
                            second,
                            Trust.SUSPECT,
                            third,
                            Trust.SUSPECT,
                            fourth.point(),
                            Trust.PROVEN));
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
            assertThat(lab.restore("web", third).warnings())
                    .extracting(Warning::code)
                    .containsExactly("SUSPECT");
            assertThat(lab.restore("web", fourth.point()).warnings()).isEmpty();
            VerifyReport verified = lab.verify();
            assertThat(verified.isOk()).isTrue();
            assertThat(verified.warnings()).extracting(Warning::code).containsExactly("SUSPECT", "SUSPECT");
        }

        @Test
        @DisplayName("does not make a disk proven that changed while it was read")
        void inconsistent() {
            hypervisor.hook(event -> {
                if (event.call() == InMemoryHypervisor.Call.CONFIRM_UNCHANGED) {
                    throw new GenieVmException(ErrorCode.SOURCE_CHANGED, "it changed");
                }
            });
            SessionId point = backup(request().allowInconsistent(true).build()).point();
            hypervisor.removeHook();

            RestorePoint.Disk listed =
                    lab.repository().points().points().get(0).disks().get(0);
            assertThat(listed.trust()).isEqualTo(Trust.SUSPECT);
            assertThat(listed.consistent()).isFalse();
            assertThat(lab.restore("web", point).warnings())
                    .extracting(Warning::code)
                    .containsExactly("INCONSISTENT");
            assertThat(lab.verify().warnings()).extracting(Warning::code).containsExactly("INCONSISTENT");
            assertThat(assertPlan(backup(), ROOT, DiskPlan.SCAN, "NO_TOKEN").trust())
                    .isEqualTo(Trust.PROVEN);
        }

        @Test
        @DisplayName("comes for nothing when everything is read on request")
        void onTheWay() {
            backup();
            SessionId second = backup().point();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, MIB)));
            disk.write(10, new byte[] {1});
            disk.lie();
            disk.write(2 * MIB, new byte[] {2});

            BackupReport.Disk full =
                    assertPlan(backup(request().full(true).build()), ROOT, DiskPlan.ALL, "FULL_REQUESTED");

            assertThat(full.audit().share()).isEqualTo(1);
            assertThat(full.audit().comparedBytes()).isEqualTo(CAPACITY - CHUNK);
            assertThat(full.audit().readBytes()).isZero();
            assertThat(full.audit().mismatches()).containsExactly(new Extent(0, CHUNK));
            assertThat(trust()).containsEntry(second, Trust.SUSPECT);
        }

        @Test
        @DisplayName("of everything proves the disk")
        void proves() {
            backup();
            disk.write(0, new byte[] {1});

            BackupReport.Disk audited =
                    assertPlan(backup(request().audit(AuditMode.FULL).build()), ROOT, DiskPlan.CHANGED, null);

            assertThat(audited.trust()).isEqualTo(Trust.PROVEN);
            assertThat(audited.readBytes()).isEqualTo(CHUNK);
            assertThat(audited.audit().comparedBytes()).isEqualTo(CAPACITY - CHUNK);
            assertThat(audited.audit().readBytes()).isEqualTo(CAPACITY - CHUNK);
        }

        @Test
        @DisplayName(
                "by shares covers the disk in as many backups as there are stripes, and begins anew with another share")
        void shares() {
            backup();
            long compared = 0;
            for (int i = 0; i < 4; i++) {
                BackupReport.Disk audited =
                        assertPlan(backup(request().auditShare(0.25).build()), ROOT, DiskPlan.CHANGED, null);
                compared += audited.audit().comparedBytes();
                assertThat(lab.repository()
                                .points()
                                .points()
                                .get(i + 1)
                                .disks()
                                .get(0)
                                .coveredShare())
                        .isEqualTo((i + 1) / 4.0);
            }
            assertThat(compared).isEqualTo(CAPACITY);
            backup(request().auditShare(0.5).build());
            assertThat(lab.repository().points().points().get(5).disks().get(0).coveredShare())
                    .isEqualTo(0.5);
        }

        @Test
        @DisplayName("sees a hole where the parent has data without reading it")
        void hole() {
            backup();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, CAPACITY)));
            disk.zero(MIB, MIB);
            disk.lie();

            BackupReport.Disk found =
                    assertPlan(backup(request().audit(AuditMode.FULL).build()), ROOT, DiskPlan.SCAN, "AUDIT_MISMATCH");

            assertThat(found.audit().mismatches()).containsExactly(new Extent(MIB, MIB));
            assertThat(found.audit().readBytes()).isZero();
        }

        @Test
        @DisplayName("is not misled by a driver that hides allocation")
        void hidden() {
            backup();
            disk.lie(new DriverLie.HiddenAllocation(new Extent(MIB, MIB)));

            BackupReport report = backup(request().audit(AuditMode.FULL).build());

            assertPlan(report, ROOT, DiskPlan.SCAN, "AUDIT_MISMATCH");
            assertThat(report.disks().get(0).readBytes()).isEqualTo(CAPACITY);
            assertThat(lab.store().keys("incidents/")).isEmpty();
        }

        @Test
        @DisplayName("on the way is not misled by a driver that hides allocation")
        void hiddenFromFull() {
            SessionId first = backup().point();
            backup();
            disk.lie(new DriverLie.HiddenAllocation(new Extent(MIB, MIB)));

            BackupReport report = backup(request().full(true).build());

            assertPlan(report, ROOT, DiskPlan.ALL, "FULL_REQUESTED");
            assertThat(report.disks().get(0).readBytes()).isEqualTo(CAPACITY);
            assertThat(report.warnings()).extracting(Warning::code).containsExactly("ALLOCATION_UNKNOWN");
            assertThat(lab.store().keys("incidents/")).isEmpty();
            assertThat(trust()).containsEntry(first, Trust.PROVEN).doesNotContainValue(Trust.SUSPECT);
        }

        @Test
        @DisplayName("whose finding is not followed by a commit makes the next backup read everything")
        void crash() {
            backup();
            SessionId second = backup().point();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, MIB)));
            disk.write(0, Lab.random(11, CHUNK));
            disk.lie();
            lab.store().intercept(WITHOUT_COMMIT);
            Lab.failureOf(lab.repository()
                    .backup(connection, request().audit(AuditMode.FULL).build()));
            lab.store().stopIntercepting();

            assertThat(trust()).containsEntry(second, Trust.SUSPECT);
            assertPlan(backup(), ROOT, DiskPlan.SCAN, "PARENT_SUSPECT");
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName(
                "of which only a proven point is left is not forgotten: what was taken over from it would be suspect")
        void crashAfterProven() {
            backup();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, MIB)));
            disk.write(0, Lab.random(11, CHUNK));
            disk.lie();
            lab.store().intercept(WITHOUT_COMMIT);
            Lab.failureOf(lab.repository()
                    .backup(connection, request().audit(AuditMode.FULL).build()));
            lab.store().stopIntercepting();

            BackupReport second = backup();

            assertPlan(second, ROOT, DiskPlan.SCAN, "PARENT_SUSPECT");
            assertThat(trust()).doesNotContainValue(Trust.SUSPECT);
            assertPlan(backup(), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("leaves an incident, which is no damage when it is collected while points are listed")
        void collected() {
            backup();
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(0, MIB)));
            disk.write(0, Lab.random(14, CHUNK));
            disk.lie();
            backup(request().audit(AuditMode.FULL).build());
            assertThat(lab.store().keys("incidents/")).hasSize(1);
            lab.store().intercept(new InterceptedStore.Interceptor() {
                @Override
                public void get(BlobStore store, String key, long offset, ByteBuffer target) {
                    if (key.startsWith("incidents/")) {
                        throw new GenieVmException(ErrorCode.NOT_FOUND, key + " is gone");
                    }
                    store.get(key, offset, target);
                }

                @Override
                public Optional<BlobEntry> stat(BlobStore store, String key) {
                    return key.startsWith("incidents/") ? Optional.empty() : store.stat(key);
                }
            });

            assertThat(lab.repository().points().unreadable()).isEmpty();
        }

        @Test
        @DisplayName("calls only those ranges wrong that are, also where pages of the parent are damaged")
        void damagedElsewhere() {
            backup();
            String pages = packOfPages();
            disk.write(8 * MIB + 3 * CHUNK, new byte[] {1});
            backup();
            damagePages(pages);
            disk.lie(new DriverLie.UnrecordedWrites(new Extent(8 * MIB, MIB)));
            disk.write(8 * MIB + 5 * CHUNK, Lab.random(13, CHUNK));
            disk.lie();

            BackupReport third = backup(request().audit(AuditMode.FULL).build());

            BackupReport.Disk found = assertPlan(third, ROOT, DiskPlan.SCAN, "AUDIT_MISMATCH");
            assertThat(found.audit().mismatches()).containsExactly(new Extent(8 * MIB + 5 * CHUNK, CHUNK));
        }
    }

    @Nested
    @DisplayName("what is not read is taken over")
    class TakenOver {
        @Test
        @DisplayName("but for what is in a pack that is gone: that is read and stored again")
        void missingPack() {
            SessionId first = backup().point();
            lab.store().remove(lab.store().keys("packs/").get(0));
            disk.write(8 * MIB, new byte[] {1});

            BackupReport second = backup();

            assertPlan(second, ROOT, DiskPlan.CHANGED, null);
            lab.assertRestores(first);
            lab.assertWhole();
        }

        @Test
        @DisplayName("but for what hangs on a damaged page")
        void damagedPages() {
            disk.zero(0, CAPACITY);
            disk.write(8 * MIB, Lab.random(12, CHUNK));
            backup();
            damagePages(packOfPages());

            BackupReport second = backup(request().audit(AuditMode.FULL).build());

            assertPlan(second, ROOT, DiskPlan.CHANGED, null);
            assertThat(second.warnings()).extracting(Warning::code).containsOnly("PARENT_DAMAGED");
            assertPlan(backup(request().audit(AuditMode.FULL).build()), ROOT, DiskPlan.CHANGED, null);
        }

        @Test
        @DisplayName("nor does a SCAN rely on damaged pages")
        void scannedDamagedPages() {
            SessionId first = backup().point();
            damagePages(packOfPages());
            disk.loseTracking();

            BackupReport second = backup();

            assertPlan(second, ROOT, DiskPlan.SCAN, "TRACKING_RESET");
            lab.assertRestores(first);
        }

        @Test
        @DisplayName("but for what is in a pack that can not be read, and that no table names")
        void cutPackWithoutTable() {
            backup();
            String pack = lab.store().keys("packs/").get(0);
            byte[] bytes = lab.store().bytes(pack);
            lab.store().keys("index/").forEach(lab.store()::remove);
            lab.store().replace(pack, Arrays.copyOf(bytes, bytes.length / 2));
            disk.write(8 * MIB, new byte[] {1});

            BackupReport second = backup(request().audit(AuditMode.NONE).build(), false);

            assertPlan(second, ROOT, DiskPlan.CHANGED, null);
            lab.assertRestores(second.point());
        }
    }

    private String packOfPages() {
        PlainRepository plain = new PlainRepository(lab.store().content());
        return lab.store().keys("packs/").stream()
                .filter(pack -> plain.segments(pack).stream().anyMatch(segment -> segment.type() == 2))
                .findFirst()
                .orElseThrow();
    }

    private void damagePages(String pack) {
        byte[] bytes = lab.store().bytes(pack);
        new PlainRepository(lab.store().content())
                .segments(pack).stream()
                        .filter(segment -> segment.type() == 2)
                        .forEach(segment -> bytes[segment.end() - 1] ^= 1);
        lab.store().replace(pack, bytes);
    }

    private static BackupRequest.Builder request() {
        return BackupRequest.builder(VM).codec(Codec.NONE);
    }

    private BackupReport backup() {
        return backup(request().build());
    }

    private BackupReport unaudited() {
        return backup(request().audit(AuditMode.NONE).build());
    }

    private BackupReport backup(BackupRequest request) {
        return backup(request, true);
    }

    /** Backs up; unless the driver lies for good, the point is compared with the disks as they were. */
    private BackupReport backup(BackupRequest request, boolean honest) {
        Map<DiskId, byte[]> content = lab.contentOf(VM);
        BackupReport report = Lab.await(lab.repository().backup(connection, request));
        lab.remember(report, content);
        if (honest) {
            lab.assertRestores(report.point());
        }
        return report;
    }

    private Map<SessionId, Trust> trust() {
        Map<SessionId, Trust> trust = new HashMap<>();
        lab.repository()
                .points()
                .points()
                .forEach(point -> trust.put(point.id(), point.disks().get(0).trust()));
        return trust;
    }

    private static BackupReport.Disk assertPlan(
            BackupReport report, DiskId id, DiskPlan plan, @Nullable String reason) {
        BackupReport.Disk found = report.disks().stream()
                .filter(each -> each.id().equals(id))
                .findFirst()
                .orElseThrow();
        assertThat(found.plan()).isEqualTo(plan);
        assertThat(found.reason()).isEqualTo(reason);
        return found;
    }
}
