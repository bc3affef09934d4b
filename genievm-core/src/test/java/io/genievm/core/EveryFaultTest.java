package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.FaultyCall;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A backup with one fault, at every call of the store in turn: whatever the fault, every listed point is whole, the report
 * tells the truth, and the next backup succeeds.
 */
class EveryFaultTest {
    private final Lab lab = new Lab(Lab.SMALL, 1);
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("faults at a few calls")
    void someFaults() {
        prepare();
        int calls = countCalls();
        Seeds.run(
                EveryFaultTest.class,
                "someFaults",
                15,
                random -> check(random.nextInt(calls), FaultyCall.Fault.values()[random.nextInt(4)]));
    }

    @Test
    @Tag("torture")
    @DisplayName("every fault at every call")
    void everyFault() {
        prepare();
        int calls = countCalls();
        assertThat(calls).isGreaterThan(40);
        double scale = Double.parseDouble(System.getProperty("genievm.torture.scale", "1"));
        for (int call = 0; call < calls; call++) {
            for (FaultyCall.Fault fault : FaultyCall.Fault.values()) {
                // A tenth of them, another tenth each time.
                if (new Random().nextDouble() < scale) {
                    check(call, fault);
                }
            }
        }
    }

    private Map<String, byte[]> start = Map.of();

    /** One point, lost index tables and a dead session, so that a backup has much to do. */
    private void prepare() {
        lab.addVm("web", 1_500_000);
        lab.backup("web");
        lab.change("web", 2, 100_000);
        lab.backup("web");
        store.remove(store.keys("index/").get(0));
        store.remove("repository-copy.json");
        String witness = store.keys("witness/").get(0);
        store.replace(witness.replace("witness/", "sessions/"), new byte[] {1});
        store.remove(witness);
        lab.change("web", 3, 1_400_000);
        start = store.content();
    }

    private int countCalls() {
        FaultyCall counter = new FaultyCall(-1, FaultyCall.Fault.REFUSED);
        lab.backup("web", counter);
        store.reset(start);
        return counter.calls();
    }

    private void check(int call, FaultyCall.Fault fault) {
        String what = fault + " at call " + call;
        store.reset(start);
        Map<DiskId, byte[]> content = lab.contentOf(new VmId("web"));
        FaultyCall faulty = new FaultyCall(call, fault);
        store.intercept(faulty);
        TaskHandle<BackupReport> task = lab.beginBackup("web");
        BackupReport report = null;
        try {
            report = Lab.await(task);
            lab.remember(report, content);
        } catch (GenieVmException e) {
            assertThat(e.code().category()).as(what).isNotEqualTo(ErrorCategory.INTERNAL);
        }
        store.stopIntercepting();
        what += " (" + faulty.where() + ")";
        lab.reopen();
        assertThat(lab.hypervisor().openSnapshots()).as(what).isZero();
        assertThat(lab.hypervisor().openReaders()).as(what).isZero();

        RestorePointList list = lab.repository().points();
        assertThat(list.unreadable()).as(what).isEmpty();
        if (report != null) {
            assertThat(list.points()).as(what).extracting(RestorePoint::id).contains(report.point());
        }
        // A point whose backup could not be told of its success is the only one that a report need not name.
        assertThat(list.points().size()).as(what).isBetween(report == null ? 2 : 3, 3);
        for (RestorePoint point : list.points()) {
            if (!lab.points().contains(point.id())) {
                assertThat(fault).as(what).isNotEqualTo(FaultyCall.Fault.REFUSED);
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
            }
            lab.assertRestores(point.id());
        }

        BackupReport next = lab.backup("web");

        lab.assertRestores(next.point());
        VerifyReport verified = lab.verify();
        assertThat(verified.damage()).as(what).isEmpty();
        assertThat(next.sequence()).as(what).isEqualTo(list.points().size() + 1);
        // What a dead session leaves is for a collector, but for the session objects of those that have ended.
        Set<String> sessions = Set.copyOf(store.keys("sessions/"));
        assertThat(sessions).as(what).hasSizeLessThan(2);
        sessions.forEach(session -> assertThat(store.exists(session.replace("sessions/", "points/")))
                .isFalse());
    }
}
