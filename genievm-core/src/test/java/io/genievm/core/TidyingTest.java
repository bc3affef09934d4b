package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStore;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.Events;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rule 11 of docs/format/protocol.md: what dead writers leave, and who clears it away. */
class TidyingTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"sessions/", "packs/", "index/", "progress/", "points/", "witness/"})
    @DisplayName(
            "wherever a writer dies, all listed points are whole, and the next backup succeeds and clears what it may")
    void writerDies(String where) {
        lab.addVm("web", 2_500_000);
        lab.backup("web");
        for (boolean after : new boolean[] {false, true}) {
            lab.change("web", where.hashCode() + (after ? 1 : 0), 2_000_000);
            Map<DiskId, byte[]> content = lab.contentOf(new VmId("web"));
            DeadWriter writer = after
                    ? DeadWriter.after(key -> key.startsWith(where))
                    : DeadWriter.before(key -> key.startsWith(where));
            int points = lab.repository().points().points().size();
            store.intercept(writer);
            TaskHandle<BackupReport> task = lab.beginBackup("web");
            try {
                BackupReport report = Lab.await(task);
                lab.remember(report, content);
            } catch (GenieVmException e) {
                assertThat(e).hasMessageContaining("dead");
            }
            store.stopIntercepting();
            assertThat(writer.isDead()).isTrue();
            lab.reopen();
            boolean committed = where.equals("witness/") || where.equals("points/") && after;
            assertThat(lab.repository().points().points()).hasSize(points + (committed ? 1 : 0));
            assertThat(lab.repository().points().unreadable()).isEmpty();
            lab.assertWhole();
            lab.points().forEach(lab::assertRestores);

            BackupReport next = lab.backup("web");

            lab.assertRestores(next.point());
            lab.assertWhole();
            assertThat(store.keys("witness/")).hasSameSizeAs(store.keys("points/"));
            boolean began = after || !where.equals("sessions/");
            // Who has no outcome yet may still be alive, for all that anybody knows.
            assertThat(store.keys("sessions/")).hasSize(committed || !began ? 0 : 1);
            store.keys("sessions/").forEach(store::remove);
            store.keys("progress/").forEach(store::remove);
        }
    }

    @Test
    @DisplayName("rule 11: a session that has a fence is cleared away, one without outcome is left alone")
    void fences() {
        lab.addVm("web", 100_000);
        for (int i = 0; i < 3; i++) {
            lab.change("web", i, 50_000);
            lab.failingBackup("web", DeadWriter.after(key -> key.startsWith("progress/")));
            lab.reopen();
        }
        List<String> sessions = store.keys("sessions/");
        assertThat(sessions).hasSize(3);
        assertThat(store.keys("progress/")).hasSize(3);
        store.replace(sessions.get(1).replace("sessions/", "points/"), new byte[0]);

        lab.backup("web");

        assertThat(store.keys("sessions/")).containsExactly(sessions.get(0), sessions.get(2));
        assertThat(store.keys("progress/")).hasSize(2);
        assertThat(store.exists(sessions.get(1).replace("sessions/", "points/")))
                .isTrue();
        lab.assertWhole();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    @DisplayName(
            "rule 11: for a dead writer a fence asks for its manifest first, then comes the witness, then the session goes")
    void fenceBeforeWitness(boolean witnessIsThere) {
        lab.addVm("web", 100_000);
        lab.backup(
                "web",
                witnessIsThere
                        ? DeadWriter.after(key -> key.startsWith("witness/"))
                        : DeadWriter.before(key -> key.startsWith("witness/")));
        lab.reopen();
        String dead = store.keys("sessions/").get(0).substring("sessions/".length());
        assertThat(store.exists("witness/" + dead)).isEqualTo(witnessIsThere);
        byte[] manifest = store.bytes("points/" + dead);
        Events events = new Events();

        lab.backup("web", events);

        List<String> order = List.of(
                "> put points/" + dead,
                "< put points/" + dead,
                "> put witness/" + dead,
                "< put witness/" + dead,
                "> delete sessions/" + dead);
        for (int i = 1; i < order.size(); i++) {
            assertThat(events.first(order.get(i)))
                    .as("'%s' after '%s'", order.get(i), order.get(i - 1))
                    .isGreaterThan(events.first(order.get(i - 1)));
        }
        assertThat(store.bytes("points/" + dead)).isEqualTo(manifest);
        lab.assertWhole();
    }

    @Test
    @DisplayName("rule 11: only sessions of the same VM are looked at")
    void otherVms() {
        lab.addVm("web", 100_000);
        lab.addVm("db", 100_000);
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith("points/")));
        lab.reopen();
        String session = store.keys("sessions/").get(0);
        store.replace(session.replace("sessions/", "points/"), new byte[0]);

        lab.backup("db");
        assertThat(store.keys("sessions/")).hasSize(1);
        lab.backup("web");
        assertThat(store.keys("sessions/")).isEmpty();
    }

    @Test
    @DisplayName("rule 11: a fence with a witness means that the manifest was emptied, which is damage")
    void emptiedManifest() {
        lab.addVm("web", 100_000);
        BackupReport report = lab.backup("web");
        String manifest = store.keys("points/").get(0);
        store.replace(manifest, new byte[0]);

        assertThat(lab.verify().damage()).singleElement().satisfies(damage -> {
            assertThat(damage.object()).isEqualTo(manifest);
            assertThat(damage.points()).containsExactly(report.point());
        });
    }

    @Test
    @DisplayName(
            "rule 11: several sessions, one of which has lost its manifest's content, are cleared as far as may be")
    void severalSessions() {
        lab.addVm("web", 100_000);
        BackupReport first = lab.backup("web");
        BackupReport second = lab.backup("web");
        BackupReport third = lab.backup("web");
        for (BackupReport report : List.of(first, second, third)) {
            String manifest = store.keys("points/").stream()
                    .filter(key -> key.endsWith(report.point().value()))
                    .findFirst()
                    .orElseThrow();
            store.remove(manifest.replace("points/", "witness/"));
            store.replace(manifest.replace("points/", "sessions/"), new byte[] {1});
            store.replace("progress/" + report.point() + "-00000000", new byte[0]);
            if (report.equals(first)) {
                store.replace(manifest, new byte[] {1});
            }
        }

        BackupReport fourth = lab.backup("web");

        assertThat(fourth.parent()).isEqualTo(third.point());
        assertThat(store.keys("sessions/"))
                .singleElement()
                .asString()
                .endsWith(first.point().value());
        assertThat(store.keys("progress/"))
                .singleElement()
                .asString()
                .contains(first.point().value());
        assertThat(store.keys("witness/")).hasSize(3);
    }

    @Test
    @DisplayName("rule 11: a point that is deleted while its session is tidied up is no reason to fail")
    void deletedMeanwhile() {
        lab.addVm("web", 100_000);
        lab.backup("web", DeadWriter.before(key -> key.startsWith("witness/")));
        lab.reopen();
        String session = store.keys("sessions/").get(0);
        String manifest = session.replace("sessions/", "points/");
        lab.backup("web", new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.equals(manifest)) {
                    objects.delete(manifest);
                }
                objects.get(key, offset, target);
            }
        });

        assertThat(lab.repository().points().points()).hasSize(1);
        assertThat(lab.repository().points().unreadable()).isEmpty();
    }

    @Test
    @DisplayName("rule 11: a store that fails while it is tidied fails the backup, with nothing begun")
    void storeFails() {
        lab.addVm("web", 100_000);
        lab.backup("web", DeadWriter.before(key -> key.startsWith("witness/")));
        lab.reopen();
        Map<String, byte[]> before = store.content();
        GenieVmException failure = lab.failingBackup("web", new InterceptedStore.Interceptor() {
            @Override
            public void delete(BlobStore objects, String key) {
                throw new GenieVmException(ErrorCode.ACCESS_DENIED, "no");
            }
        });
        assertThat(failure.code()).isEqualTo(ErrorCode.ACCESS_DENIED);
        store.keys("witness/").forEach(store::remove);
        assertThat(store.content().keySet()).isEqualTo(before.keySet());
    }
}
