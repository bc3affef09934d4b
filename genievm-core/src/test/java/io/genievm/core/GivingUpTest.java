package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskState;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisor;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rule 8 of docs/format/protocol.md: who gives up takes back what nobody can rely on, and nothing else. */
class GivingUpTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("rule 8: when the disk can not be read, packs, signs of life and session object are gone")
    void sourceFails() {
        lab.addVm("web", 3_500_000);
        Map<String, byte[]> before = store.content();
        AtomicInteger reads = new AtomicInteger();
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.READ && reads.incrementAndGet() > 3) {
                throw new GenieVmException(ErrorCode.IO_ERROR, "a bad block");
            }
        });

        GenieVmException failure = Lab.failureOf(lab.beginBackup("web"));

        assertThat(failure.code()).isEqualTo(ErrorCode.IO_ERROR);
        assertThat(store.content()).containsExactlyEntriesOf(before);
        // There was something to take back.
        assertThat(store.log(Kind.PUT)).anyMatch(key -> key.startsWith("packs/"));
        assertThat(lab.hypervisor().openSnapshots()).isZero();
        assertThat(lab.hypervisor().openReaders()).isZero();
    }

    @Test
    @DisplayName("rule 5: a sign of life that can not be shown is no reason to give up")
    void signOfLifeFails() {
        lab.addVm("web", 10_000);
        FailingPut failing = new FailingPut(new Place("progress/", 0), false, ErrorCode.TRANSIENT_IO_ERROR);

        SessionId point = lab.backup("web", failing).point();

        assertThat(failing.seen).isPositive();
        lab.assertRestores(point);
        lab.assertWhole();
    }

    @Test
    @DisplayName("a reading that is broken off leaves nothing behind that the second one takes for stored")
    void readAgain() {
        lab.addVm("web", 3_500_000);
        AtomicInteger reads = new AtomicInteger();
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.READ && reads.incrementAndGet() == 3) {
                throw new GenieVmException(ErrorCode.SOURCE_CHANGED, "it has changed");
            }
        });

        SessionId point = lab.backup("web").point();

        assertThat(reads.get()).isGreaterThan(3);
        lab.assertRestores(point);
        lab.assertWhole();
    }

    @Test
    @DisplayName("a disk that vanishes between two readings fails the backup")
    void vanished() {
        lab.addVm("web", 3_500_000);
        lab.hypervisor().vm("web").addDisk("second", Lab.random(7, 5_000));
        AtomicInteger reads = new AtomicInteger();
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.READ && reads.incrementAndGet() == 3) {
                lab.hypervisor().vm("web").removeDisk("second");
                throw new GenieVmException(ErrorCode.SOURCE_CHANGED, "it has changed");
            }
        });

        GenieVmException failure = Lab.failureOf(lab.beginBackup("web"));

        assertThat(failure.code()).isEqualTo(ErrorCode.SOURCE_CHANGED);
        assertThat(failure).hasMessageContaining("second");
        assertThat(lab.repository().points().points()).isEmpty();
    }

    @Test
    @DisplayName("what a driver throws after the commit does not take the point back")
    void cleaningUpFails() {
        lab.addVm("web", 10_000);
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.COMMITTED) {
                throw new IllegalStateException("a bug");
            }
        });

        BackupReport report = lab.backup("web");

        assertThat(report.warnings()).extracting(Warning::code).containsExactly("CLEANUP_FAILED");
        lab.assertRestores(report.point());
    }

    @Test
    @DisplayName("rule 8: when it is cancelled in the middle, everything is gone")
    void cancelled() throws InterruptedException {
        lab.addVm("web", 3_500_000);
        Map<String, byte[]> before = store.content();
        CountDownLatch packPut = new CountDownLatch(1);
        CountDownLatch cancelled = new CountDownLatch(1);
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                PutOutcome outcome = objects.put(key, content);
                if (key.startsWith("packs/")) {
                    packPut.countDown();
                }
                return outcome;
            }
        });
        // No read of the second half ends before the cancelling: else a slow moment of this thread
        // lets the backup begin its index table, and the packs that it names are kept.
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.READ
                    && Objects.requireNonNull(event.extent()).offset() > 2_000_000) {
                awaitUninterruptibly(cancelled);
            }
        });
        TaskHandle<BackupReport> task = lab.beginBackup("web");
        packPut.await();
        task.cancel();
        cancelled.countDown();

        assertThat(Lab.failureOf(task).code()).isEqualTo(ErrorCode.CANCELLED);
        assertThat(task.state()).isEqualTo(TaskState.CANCELLED);
        assertThat(store.content()).containsExactlyEntriesOf(before);
        assertThat(lab.hypervisor().openSnapshots()).isZero();
    }

    /** The puts of a backup by the beginning of their key, and how many of them come before. */
    record Place(String prefix, int before) {}

    static Stream<Place> puts() {
        return Stream.of(
                new Place("sessions/", 0),
                new Place("packs/", 0),
                new Place("packs/", 1),
                new Place("packs/", 3),
                new Place("index/", 0),
                new Place("points/", 0));
    }

    @ParameterizedTest
    @MethodSource("puts")
    @DisplayName("rule 8: when there is no space for an object, just the packs that no begun table names are gone")
    void noSpace(Place place) {
        assertTakenBack(place, false, ErrorCode.NO_SPACE);
    }

    @ParameterizedTest
    @MethodSource("puts")
    @DisplayName(
            "rule 8: when an answer is lost and the object was put, just the packs that no begun table names are gone")
    void answerLost(Place place) {
        if (!place.prefix.equals("points/")) {
            assertTakenBack(place, true, ErrorCode.IO_ERROR);
        }
    }

    @ParameterizedTest
    @MethodSource("puts")
    @DisplayName(
            "rule 8: when an answer is lost and the object was not put, just the packs that no begun table names are gone")
    void requestLost(Place place) {
        if (!place.prefix.equals("points/")) {
            assertTakenBack(place, false, ErrorCode.IO_ERROR);
        }
    }

    private void assertTakenBack(Place place, boolean happens, ErrorCode code) {
        lab.addVm("web", 4_500_000);
        lab.addVm("db", 10_000);
        lab.backup("db");
        Set<String> before = store.content().keySet();
        store.forgetLog();

        GenieVmException failure = lab.failingBackup("web", new FailingPut(place, happens, code));

        assertThat(failure.code()).isEqualTo(code);
        List<String> left = new ArrayList<>(store.content().keySet());
        left.removeAll(before);
        // A table that the store has refused for good is as if its put had not begun.
        boolean tableBegun = store.log(Kind.PUT).stream().anyMatch(key -> key.startsWith("index/"))
                && !(place.prefix.equals("index/") && code.equals(ErrorCode.NO_SPACE));
        if (tableBegun) {
            assertThat(left).filteredOn(key -> key.startsWith("packs/")).hasSize(5);
            assertThat(left).allMatch(key -> key.startsWith("packs/") || key.startsWith("index/"));
        } else {
            assertThat(left).isEmpty();
        }
        assertThat(lab.hypervisor().openSnapshots()).isZero();
        assertThat(lab.repository().points().points()).hasSize(1);
        lab.assertWhole();
        lab.assertRestores(lab.backup("web").point());
        lab.assertWhole();
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
    }

    @Test
    @DisplayName("rule 8: a session that can not read plans, packs, index or points is given up")
    void readsFail() {
        lab.addVm("web", 10_000);
        lab.backup("web");
        String plan = "a".repeat(32);
        store.replace(
                "gc/" + plan + ".plan",
                PlainRepository.document(
                        "plan",
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [], \"points\": []}"
                                .formatted(lab.repository().id(), plan)));
        Set<String> before = store.content().keySet();
        for (String prefix : List.of("gc/", "packs/", "index/", "witness/", "points/")) {
            GenieVmException failure = lab.failingBackup("web", new InterceptedStore.Interceptor() {
                @Override
                public BlobCursor list(BlobStore objects, String listed) {
                    if (listed.startsWith(prefix)) {
                        throw new GenieVmException(ErrorCode.IO_ERROR, "no listing of " + listed);
                    }
                    return objects.list(listed);
                }
            });
            assertThat(failure).hasMessageContaining(prefix);
            assertThat(store.content().keySet())
                    .as("after no listing of %s", prefix)
                    .isEqualTo(before);
        }
        for (String prefix : List.of("gc/", "packs/", "index/", "points/")) {
            GenieVmException failure = lab.failingBackup("web", new InterceptedStore.Interceptor() {
                @Override
                public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                    if (key.startsWith(prefix)) {
                        throw new GenieVmException(ErrorCode.IO_ERROR, "no reading of " + key);
                    }
                    objects.get(key, offset, target);
                }
            });
            assertThat(failure).hasMessageContaining(prefix);
            assertThat(store.content().keySet())
                    .as("after no reading of %s", prefix)
                    .isEqualTo(before);
        }
    }

    @Test
    @DisplayName("rule 8: a pack that can not be deleted does not keep the rest, and the failure told is the first")
    void deletesFail() {
        lab.addVm("web", 3_500_000);
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.CONFIRM_UNCHANGED) {
                throw new GenieVmException(ErrorCode.SNAPSHOT_LOST, "as wished");
            }
        });
        GenieVmException failure = lab.failingBackup("web", new InterceptedStore.Interceptor() {
            @Override
            public void delete(BlobStore objects, String key) {
                if (key.endsWith("-00000000") && key.startsWith("packs/")) {
                    throw new GenieVmException(ErrorCode.ACCESS_DENIED, "not this one");
                }
                objects.delete(key);
            }
        });

        assertThat(failure.code()).isEqualTo(ErrorCode.SNAPSHOT_LOST);
        assertThat(failure.getSuppressed()).hasSize(1);
        assertThat(store.keys("packs/")).hasSize(1);
        assertThat(store.keys("sessions/")).isEmpty();
    }

    @Test
    @Tag("torture")
    @DisplayName("rule 8: of many packs just those are gone that no begun table names; what is named is used again")
    void someArePublished() {
        // A table is put for every 32 768 entries, so this takes some chunks: different ones that compress well.
        int chunk = Lab.SMALL.chunkSize();
        int chunks = 45_000;
        InMemoryDisk disk = lab.hypervisor().addVm("web").addDisk("root", (long) chunks * chunk);
        for (int i = 0; i < chunks; i++) {
            disk.write(
                    (long) i * chunk,
                    ByteBuffer.allocate(8)
                            .putLong(0x0102030405060708L * (i + 1))
                            .array());
        }
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.CONFIRM_UNCHANGED) {
                throw new GenieVmException(ErrorCode.SNAPSHOT_LOST, "as wished");
            }
        });

        BackupRequest request =
                BackupRequest.builder(new VmId("web")).codec(Codec.LZ4).build();
        Lab.failureOf(lab.repository().backup(lab.connection(), request));

        List<String> tables = store.keys("index/");
        assertThat(tables).isNotEmpty();
        Set<String> named = new PlainRepository(store.content()).indexed().keySet();
        assertThat(store.keys("packs/")).containsExactlyInAnyOrderElementsOf(named);
        assertThat(store.log(Kind.DELETE)).anyMatch(key -> key.startsWith("packs/"));
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        lab.assertWhole();

        lab.hypervisor().removeHook();
        int packs = store.keys("packs/").size();
        BackupReport report = Lab.await(lab.repository().backup(lab.connection(), request));
        List<String> added = store.keys("packs/").stream()
                .filter(key -> key.contains(report.point().value()))
                .toList();
        assertThat(added).hasSizeLessThan(packs);
        lab.assertWhole();
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Lets one put fail. */
    private static final class FailingPut implements InterceptedStore.Interceptor {
        private final Place place;
        private final boolean happens;
        private final ErrorCode code;
        private int seen;

        FailingPut(Place place, boolean happens, ErrorCode code) {
            this.place = place;
            this.happens = happens;
            this.code = code;
        }

        @Override
        public PutOutcome put(BlobStore objects, String key, BlobContent content) {
            boolean fails;
            synchronized (this) {
                fails = key.startsWith(place.prefix) && seen++ == place.before;
            }
            if (!fails) {
                return objects.put(key, content);
            }
            if (happens) {
                objects.put(key, content);
            }
            throw new GenieVmException(code, "the put of " + key + " failed");
        }
    }
}
