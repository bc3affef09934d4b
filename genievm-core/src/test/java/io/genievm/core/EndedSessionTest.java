package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.Events;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Interposed;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.InMemoryHypervisor;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Rule 16 of docs/format/protocol.md: a driver knows that the process that worked at a session is dead. */
class EndedSessionTest {
    private static final VmId WEB = new VmId("web");

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @BeforeEach
    void prepare() {
        lab.addVm("web", 200_000);
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName(
            "a writer that died has not ended until the driver says so; then its session is fenced and cleared away")
    void ended() {
        SessionId dead = dieBefore("points/");
        assertThat(store.keys("progress/")).isNotEmpty();

        BackupReport report = backup(request -> {
            assertThat(request.hasEnded(dead)).isFalse();
            assertThat(request.endSession(dead)).isTrue();
            assertThat(request.hasEnded(dead)).isTrue();
            assertThat(request.endSession(dead)).as("once more").isTrue();
        });

        assertThat(store.bytes(pointOf(dead))).isEmpty();
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        assertOnlyPoint(report);
    }

    @Test
    @DisplayName("a writer that died after its commit is a point and stays one")
    void committed() {
        Map<DiskId, byte[]> content = lab.contentOf(WEB);
        BackupReport first = lab.backup("web", DeadWriter.before(key -> key.startsWith("witness/")));
        lab.remember(first, content);
        lab.reopen();

        backup(request -> assertThat(request.endSession(first.point())).isTrue());

        lab.assertRestores(first.point());
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("witness/")).hasSize(2);
        lab.assertWhole();
    }

    @Test
    @DisplayName("the session is fenced before it is cleared away")
    void order() {
        SessionId dead = dieBefore("points/");
        Events events = new Events();
        store.intercept(events);

        backup(request -> assertThat(request.endSession(dead)).isTrue());

        store.stopIntercepting();
        assertThat(events.first("> delete " + sessionOf(dead))).isGreaterThan(events.first("< put " + pointOf(dead)));
        assertThat(events.first("> delete progress/" + dead)).isGreaterThan(events.first("< put " + pointOf(dead)));
    }

    @Test
    @DisplayName("a session of which nothing is known has ended, and nothing is put for it")
    void unknown() {
        SessionId unknown = new SessionId("0".repeat(32));
        backup(request -> assertThat(request.endSession(unknown)).isTrue());
        assertThat(store.exists(pointOf(unknown))).isFalse();
    }

    @Test
    @DisplayName("a request does not end its own session")
    void own() {
        backup(request -> assertThatThrownBy(() -> request.endSession(request.session()))
                .isInstanceOf(IllegalArgumentException.class));
    }

    @Test
    @DisplayName("who dies between the fence and the clearing away leaves what the next backup clears away")
    void diesInBetween() {
        SessionId dead = dieBefore("points/");
        DeadWriter second = DeadWriter.after(key -> key.equals(pointOf(dead)));
        store.intercept(second);
        Lab.failureOf(beginBackup(request -> request.endSession(dead)));
        store.stopIntercepting();
        assertThat(second.isDead()).isTrue();
        assertThat(store.exists(pointOf(dead))).isTrue();
        assertThat(store.exists(sessionOf(dead))).isTrue();
        lab.reopen();

        BackupReport report =
                backup(request -> assertThat(request.hasEnded(dead)).isTrue());

        assertThat(store.exists(sessionOf(dead))).isFalse();
        // Of the second one nobody has said anything.
        assertThat(store.keys("sessions/")).hasSize(1);
        lab.assertRestores(report.point());
        assertThat(lab.repository().points().points()).hasSize(1);
    }

    @Test
    @DisplayName("a writer that lives after all starts again as a new session and succeeds")
    void livesAfterAll() {
        AtomicInteger ended = new AtomicInteger();
        Map<DiskId, byte[]> content = lab.contentOf(WEB);
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent manifest) {
                if (key.startsWith("points/") && ended.getAndIncrement() == 0) {
                    // Between the last look of the first and its commit.
                    store.stopIntercepting();
                    SessionId living = new SessionId(key.substring(key.lastIndexOf('/') + 1));
                    lab.remember(
                            Lab.await(beginBackup(request ->
                                    assertThat(request.endSession(living)).isTrue())),
                            content);
                }
                return objects.put(key, manifest);
            }
        });

        AtomicInteger abandoned = new AtomicInteger();
        lab.hypervisor().hook(event -> {
            if (event.call() == InMemoryHypervisor.Call.ABANDONED) {
                abandoned.incrementAndGet();
            }
        });
        BackupReport report = lab.backup("web");

        assertThat(abandoned).hasValue(1);
        assertThat(lab.repository().points().points()).hasSize(2);
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        lab.assertRestores(report.point());
        lab.points().forEach(lab::assertRestores);
        lab.assertWhole();
    }

    private void assertOnlyPoint(BackupReport report) {
        assertThat(lab.repository().points().points())
                .singleElement()
                .satisfies(point -> assertThat(point.id()).isEqualTo(report.point()));
        assertThat(lab.repository().points().unreadable()).isEmpty();
        lab.assertRestores(report.point());
        lab.assertWhole();
    }

    private SessionId dieBefore(String where) {
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith(where)));
        lab.reopen();
        String session = store.keys("sessions/").get(0);
        return new SessionId(session.substring(session.lastIndexOf('/') + 1));
    }

    private String pointOf(SessionId session) {
        return "points/" + sessionOf(session).substring("sessions/".length());
    }

    private String sessionOf(SessionId session) {
        return ObjectKeys.session(WEB, session);
    }

    private BackupReport backup(Consumer<SnapshotRequest> driver) {
        Map<DiskId, byte[]> content = lab.contentOf(WEB);
        BackupReport report = Lab.await(beginBackup(driver));
        lab.remember(report, content);
        return report;
    }

    /** Backs up with a driver that does something before its snapshot. */
    private TaskHandle<BackupReport> beginBackup(Consumer<SnapshotRequest> driver) {
        return lab.repository()
                .backup(
                        Interposed.beforeSnapshots(lab.connection(), driver),
                        BackupRequest.builder(WEB).codec(Codec.NONE).build());
    }
}
