package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Supplier;
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

    /** What a call does that goes wrong. */
    enum Fault {
        /** It fails without effect, once. */
        REFUSED,
        /** It has its effect and then fails, once. */
        ANSWER_LOST,
        /** It fails without effect, and so does everything after it. */
        DEAD,
        /** It has its effect and fails, and everything after it fails without effect. */
        DEAD_AFTER
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
                random -> check(random.nextInt(calls), Fault.values()[random.nextInt(4)]));
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
            for (Fault fault : Fault.values()) {
                // A tenth of them, another tenth each time.
                if (new Random().nextDouble() < scale) {
                    check(call, fault);
                }
            }
        }
    }

    private Map<String, byte[]> start;

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
        FaultyCall counter = new FaultyCall(-1, Fault.REFUSED);
        lab.backup("web", counter);
        store.reset(start);
        return counter.calls;
    }

    private void check(int call, Fault fault) {
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
        what += " (" + faulty.where + ")";
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
                assertThat(fault).as(what).isNotEqualTo(Fault.REFUSED);
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

    /** Counts calls and lets one of them go wrong. */
    private static final class FaultyCall implements InterceptedStore.Interceptor {
        private final int faulty;
        private final Fault fault;
        private int calls;
        private String where = "not reached";

        FaultyCall(int faulty, Fault fault) {
            this.faulty = faulty;
            this.fault = fault;
        }

        private synchronized <T> T call(String what, Supplier<T> effect) {
            int number = calls++;
            if (number < faulty || faulty < 0) {
                return effect.get();
            }
            boolean dead = fault == Fault.DEAD || fault == Fault.DEAD_AFTER;
            if (number > faulty && !dead) {
                return effect.get();
            }
            if (number == faulty) {
                where = what;
                if (fault == Fault.ANSWER_LOST || fault == Fault.DEAD_AFTER) {
                    effect.get();
                }
            }
            throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, what + " failed");
        }

        @Override
        public PutOutcome put(BlobStore objects, String key, BlobContent content) {
            return call("put " + key, () -> objects.put(key, content));
        }

        @Override
        public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
            call("get " + key, () -> {
                objects.get(key, offset, target);
                return "";
            });
        }

        @Override
        public BlobCursor list(BlobStore objects, String prefix) {
            return call("list " + prefix, () -> {
                Map<String, BlobEntry> entries = new TreeMap<>();
                try (BlobCursor cursor = objects.list(prefix)) {
                    while (cursor.next()) {
                        entries.put(cursor.entry().key(), cursor.entry());
                    }
                }
                return BlobCursor.of(entries.values().iterator());
            });
        }

        @Override
        public void delete(BlobStore objects, String key) {
            call("delete " + key, () -> {
                objects.delete(key);
                return "";
            });
        }

        @Override
        public Optional<BlobEntry> stat(BlobStore objects, String key) {
            return call("stat " + key, () -> objects.stat(key));
        }
    }
}
