package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskState;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.testkit.DriverLie;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.FaultyBlobStore.Injected;
import io.genievm.testkit.fault.StoreCall;
import io.genievm.testkit.fault.StoreCall.Operation;
import io.genievm.testkit.fault.StoreFault;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A backup that fails, or is cancelled, at each object that it puts: the error says what and where, all points are whole,
 * nothing is left but what somebody may rely on already, and the next backup succeeds.
 */
class EveryObjectTest {
    private static final VmId WEB = new VmId("web");
    private static final VerifyRequest STRUCTURE = new VerifyRequest(null, true);
    private static final StoreFault FULL = StoreFault.brokenOff(ErrorCode.NO_SPACE);

    private final Lab lab = new Lab(Lab.SMALL, 1);
    private final List<SessionId> points = new ArrayList<>();
    private Map<String, byte[]> start;
    private List<String> removed;
    private int puts;

    /** Two points, a lost index table and a lost copy of the parameters: every kind of object is put, but for incidents. */
    @BeforeEach
    void prepare() {
        lab.addVm("web", 1_500_000);
        points.add(lab.backup("web").point());
        lab.change("web", 2, 100_000);
        points.add(lab.backup("web").point());
        removed = List.of(lab.store().keys("index/").get(0), "repository-copy.json");
        removed.forEach(lab.store()::remove);
        lab.change("web", 3, 1_400_000);
        start = lab.store().content();
        lab.faulty()
                .script(FaultScript.every(call -> call.operation() == Operation.PUT, StoreFault.meanwhile(() -> {})));
        Lab.await(begin());
        List<String> keys = injected().stream().map(each -> each.call().key()).toList();
        puts = keys.size();
        assertThat(keys.stream().map(key -> key.replaceAll("/.*", "")).distinct())
                .containsExactlyInAnyOrder(
                        "repository-copy.json", "sessions", "packs", "index", "progress", "points", "witness");
        assertThat(keys.stream().filter(key -> key.startsWith("packs/"))).hasSizeGreaterThan(1);
    }

    @AfterEach
    void close() {
        lab.close();
    }

    static List<StoreFault> someFailures() {
        return List.of(
                FULL, StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR), StoreFault.answerLost(ErrorCode.IO_ERROR));
    }

    static List<StoreFault> failures() {
        return List.of(
                StoreFault.refused(ErrorCode.NO_SPACE),
                FULL,
                StoreFault.refused(ErrorCode.ACCESS_DENIED),
                StoreFault.brokenOff(ErrorCode.IO_ERROR),
                StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR),
                StoreFault.answerLost(ErrorCode.IO_ERROR),
                StoreFault.answerLost(ErrorCode.TRANSIENT_IO_ERROR));
    }

    @ParameterizedTest
    @MethodSource("someFailures")
    @DisplayName("one put fails, also in the middle of the bytes")
    void once(StoreFault fault) {
        for (int put = 0; put < puts; put++) {
            check(new Puts("", put, false, fault));
        }
    }

    @ParameterizedTest
    @MethodSource("someFailures")
    @DisplayName("from one put on all of them fail, for ever; deletions work")
    void forEver(StoreFault fault) {
        for (int put = 0; put < puts; put++) {
            check(new Puts("", put, true, fault));
        }
    }

    @ParameterizedTest
    @Tag("torture")
    @MethodSource("failures")
    @DisplayName("every failure, once and for ever")
    void everyFailure(StoreFault fault) {
        once(fault);
        forEver(fault);
    }

    @ParameterizedTest
    @MethodSource("failures")
    @DisplayName("what was found out about the hypervisor can not be put")
    void incident(StoreFault fault) {
        lab.hypervisor().trackChanges(true);
        lab.store().reset(start);
        points.add(lab.backup("web").point());
        start = lab.store().content();
        lab.change("web", 4, 50_000);
        lab.hypervisor().vm("web").disk("root").lie(new DriverLie.NoChanges());

        check(new Puts("incidents/", 0, false, fault));
    }

    @Test
    @DisplayName("it is cancelled before each put")
    void cancelled() {
        for (int put = 0; put < puts; put++) {
            CompletableFuture<TaskHandle<BackupReport>> task = new CompletableFuture<>();
            prepare(new Puts(
                    "", put, false, StoreFault.meanwhile(() -> task.join().cancel())));
            task.complete(begin());
            @Nullable BackupReport report = null;
            Map<DiskId, byte[]> content = lab.contentOf(WEB);
            try {
                report = Lab.await(task.join());
                lab.remember(report, content);
            } catch (GenieVmException e) {
                assertThat(e.code()).as(what()).isEqualTo(ErrorCode.CANCELLED);
                assertThat(task.join().state()).as(what()).isEqualTo(TaskState.CANCELLED);
            }
            // Once the manifest is on its way there is no way back.
            boolean isCommitting = injected().get(0).call().key().matches("(points|witness)/.*");
            assertThat(report != null).as(what()).isEqualTo(isCommitting);
            checkAfter(report, null, false);
        }
    }

    @Test
    @DisplayName("the store is full and nothing can be deleted either: all points are whole, the next backup succeeds")
    void noDeletions() {
        for (int put = 0; put < puts; put++) {
            Puts full = new Puts("", put, true, FULL);
            prepare(call -> call.operation() == Operation.DELETE && !injected().isEmpty()
                    ? StoreFault.refused(ErrorCode.IO_ERROR)
                    : full.faultAt(call));
            Map<DiskId, byte[]> content = lab.contentOf(WEB);
            String what = "";
            try {
                lab.remember(Lab.await(begin()), content);
            } catch (GenieVmException e) {
                assertThat(e.code()).as(what()).isEqualTo(ErrorCode.NO_SPACE);
            }
            what = what();
            lab.faulty().script(FaultScript.NONE);
            assertThat(lab.repository().points().unreadable()).as(what).isEmpty();
            assertNothingDamaged(what);
            points.forEach(lab::assertRestores);
            lab.assertRestores(lab.backup("web").point());
        }
    }

    private void check(Puts script) {
        prepare(script);
        Map<DiskId, byte[]> content = lab.contentOf(WEB);
        @Nullable BackupReport report = null;
        @Nullable Map<DiskId, byte[]> unknown = null;
        try {
            report = Lab.await(begin());
            lab.remember(report, content);
        } catch (GenieVmException e) {
            List<String> keys =
                    injected().stream().map(each -> each.call().key()).toList();
            assertThat(script.fault.toString()).as(what()).contains(e.code().toString());
            assertThat(e.resource().name()).as(what() + "\n" + e).isIn(keys);
            assertThat(e.getMessage()).contains(e.resource().name());
            if (!e.code().equals(ErrorCode.NO_SPACE) && keys.stream().anyMatch(key -> key.startsWith("points/"))) {
                unknown = content;
            }
        }
        boolean mayTableBeSeen = !script.fault.toString().contains("NO_SPACE")
                && injected().stream().anyMatch(each -> each.call().isPut("index/"));
        checkAfter(report, unknown, mayTableBeSeen);
    }

    /** Checks what is left; {@code unknown} is what a point holds of which nobody knows whether it is there. */
    private void checkAfter(
            @Nullable BackupReport report, @Nullable Map<DiskId, byte[]> unknown, boolean mayTableBeSeen) {
        String what = what();
        lab.faulty().script(FaultScript.NONE);
        assertThat(lab.hypervisor().openSnapshots()).as(what).isZero();
        assertThat(lab.hypervisor().openReaders()).as(what).isZero();
        RestorePointList list = lab.repository().points();
        assertThat(list.unreadable()).as(what).isEmpty();
        Set<SessionId> listed = list.points().stream().map(RestorePoint::id).collect(Collectors.toSet());
        Set<SessionId> expected = new HashSet<>(points);
        if (report != null) {
            expected.add(report.point());
        }
        Set<SessionId> unheard = new HashSet<>(listed);
        unheard.removeAll(expected);
        if (unknown != null && unheard.size() == 1) {
            // The answers to the manifest and to all questions about it were lost: it is there, and right.
            SessionId point = unheard.iterator().next();
            lab.remember(point, WEB, unknown);
            lab.assertRestores(point);
            expected.add(point);
        }
        assertThat(listed).as(what).isEqualTo(expected);
        assertNothingDamaged(what);
        points.forEach(lab::assertRestores);
        if (report != null) {
            lab.assertRestores(report.point());
        } else if (unknown != null && unheard.isEmpty()) {
            // Nobody knows what became of the manifest: all stays, for whoever comes next may find a point.
            assertThat(Objects.requireNonNull(lab.verify(STRUCTURE).orphans()).sessions())
                    .as(what)
                    .isEqualTo(1);
        } else if (unknown == null) {
            checkGivenBack(mayTableBeSeen, what);
        }
        BackupReport next = lab.backup("web");
        lab.assertRestores(next.point());
        assertThat(next.sequence()).as(what).isEqualTo(listed.size() + 1);
        assertThat(lab.verify(STRUCTURE).damage()).as(what).isEmpty();
    }

    /** Fails if verify finds more than what was taken away before the backup. */
    private void assertNothingDamaged(String what) {
        assertThat(lab.verify(STRUCTURE).damage()).as(what).allMatch(damage -> removed.contains(damage.object()));
    }

    private void checkGivenBack(boolean mayTableBeSeen, String what) {
        Set<String> left = new HashSet<>(lab.store().keys(""));
        left.removeAll(start.keySet());
        // Of no session, and needed.
        left.removeIf(key -> key.equals("repository-copy.json") || key.startsWith("incidents/"));
        Set<String> named = new PlainRepository(lab.store().content()).indexed().keySet();
        for (String key : left) {
            boolean isRelied =
                    key.startsWith("index/") || key.startsWith("packs/") && (named.contains(key) || mayTableBeSeen);
            assertThat(isRelied).as("what is left: " + key + "\n" + what).isTrue();
        }
        assertThat(lab.verify(STRUCTURE).orphans()).as(what).isEqualTo(new VerifyReport.Orphans(0, 0, 0));
    }

    private void prepare(FaultScript script) {
        lab.store().reset(start);
        lab.faulty().script(script);
    }

    private TaskHandle<BackupReport> begin() {
        return lab.repository()
                .backup(
                        lab.connection(),
                        BackupRequest.builder(WEB)
                                .codec(Codec.NONE)
                                .audit(AuditMode.FULL)
                                .build());
    }

    private List<Injected> injected() {
        return lab.faulty().injected();
    }

    private String what() {
        return lab.faulty().toString();
    }

    /** Faults at the put of a number among those of a kind, or from there on. */
    private static final class Puts implements FaultScript {
        private final String prefix;
        private final int from;
        private final boolean forEver;
        private final StoreFault fault;
        private int seen;

        Puts(String prefix, int from, boolean forEver, StoreFault fault) {
            this.prefix = prefix;
            this.from = from;
            this.forEver = forEver;
            this.fault = fault;
        }

        @Override
        public StoreFault faultAt(StoreCall call) {
            if (!call.isPut(prefix)) {
                return StoreFault.NONE;
            }
            int put = seen++;
            return put == from || forEver && put > from ? fault : StoreFault.NONE;
        }
    }
}
