package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCategory;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.FaultyCall;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Meanwhile;
import io.genievm.core.testing.PlainRepository;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rules 12 to 15 of docs/format/protocol.md: points that are deleted, and all others. */
class DeletionTest {
    private final Lab lab = new Lab(Lab.SMALL, 1);
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    @DisplayName("a deleted point is gone, every other one is whole, and just manifest and witness are deleted")
    void deleteOne(int which) {
        List<SessionId> points = threePoints();
        SessionId point = points.get(which);
        lab.addVm("db", 100_000);
        SessionId other = lab.backup("db").point();
        String manifest = keyOf("points/", point);
        Map<String, byte[]> expected = store.content();
        expected.remove(manifest);
        expected.remove(keyOf("witness/", point));
        store.forgetLog();

        lab.repository().delete(point);

        assertThat(store.content().keySet()).isEqualTo(expected.keySet());
        String witness = manifest.replace("points/", "witness/");
        assertThat(store.log(Kind.DELETE)).containsExactly(witness, manifest, witness);
        assertThat(store.log(Kind.PUT)).isEmpty();
        assertGone(point);
        lab.assertRestores(other);
        points.stream().filter(each -> !each.equals(point)).forEach(lab::assertRestores);
        lab.assertWhole();

        BackupReport next = lab.backup("web");

        assertThat(next.parent()).isEqualTo(which == 2 ? points.get(1) : points.get(2));
        assertThat(next.sequence()).isEqualTo(which == 2 ? 3 : 4);
        lab.assertRestores(next.point());
        lab.assertWhole();
    }

    @Test
    @DisplayName("all points of a VM: the next backup is the first again, and finds all data there")
    void deleteAll() {
        threePoints().forEach(lab.repository()::delete);
        assertThat(lab.repository().points().points()).isEmpty();
        lab.assertWhole();

        BackupReport next = lab.backup("web");

        assertThat(next.parent()).isNull();
        assertThat(next.sequence()).isEqualTo(1);
        assertThat(next.disks().get(0).storedBytes()).isZero();
        lab.assertRestores(next.point());
    }

    @Test
    @DisplayName("unknown, deleted already, fenced: NOT_FOUND, and nothing is touched")
    void notFound() {
        SessionId point = threePoints().get(0);
        lab.repository().delete(point);
        SessionId fenced = new SessionId("f".repeat(32));
        store.replace(
                keyOf("points/", lab.repository().points().points().get(0).id()).replaceAll("[^/]*$", fenced.value()),
                new byte[0]);
        store.forgetLog();
        for (SessionId each : List.of(point, fenced, new SessionId("e".repeat(32)))) {
            assertNotFound(each);
        }
        assertThat(store.log(Kind.DELETE)).isEmpty();
        lab.assertWhole();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "flipped",
                "missing",
                "emptied",
                "no witness",
                "flipped, no witness",
                "missing, witness flipped",
                "flipped, witness flipped"
            })
    @DisplayName("a point whose manifest or witness is damaged or missing can be deleted, but for a fence")
    void damaged(String how) {
        List<SessionId> points = threePoints();
        SessionId point = points.get(2);
        String manifest = keyOf("points/", point);
        String witness = keyOf("witness/", point);
        if (how.startsWith("flipped")) {
            flip(manifest);
        } else if (how.startsWith("missing")) {
            store.remove(manifest);
        } else if (how.startsWith("emptied")) {
            store.replace(manifest, new byte[0]);
        }
        if (how.endsWith("no witness")) {
            store.remove(witness);
        } else if (how.endsWith("witness flipped")) {
            flip(witness);
        }

        lab.repository().delete(point);

        assertGone(point);
        assertThat(store.exists(witness)).isFalse();
        assertThat(store.exists(manifest)).isEqualTo(how.equals("emptied"));
        lab.assertWhole();
        assertThat(lab.restore("web", null).point()).isEqualTo(points.get(1));
        lab.assertRestores(lab.backup("web").point());
    }

    @ParameterizedTest
    @ValueSource(strings = {"points/", "witness/", "sessions/"})
    @DisplayName("what a newer version has written is left as it is")
    void tooNew(String what) {
        SessionId point = threePoints().get(1);
        String key = keyOf("points/", point).replace("points/", what);
        String kind = what.equals("points/") ? "point" : what.equals("witness/") ? "witness" : "session";
        store.replace(key, PlainRepository.document(kind, "{\"format\": 2}"));
        store.forgetLog();

        GenieVmException failure = catchThrowableOfType(
                GenieVmException.class, () -> lab.repository().delete(point));

        assertThat(failure.code()).isEqualTo(ErrorCode.FORMAT_TOO_NEW);
        assertThat(failure).hasMessageContaining(key);
        assertThat(store.log(Kind.DELETE)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    @DisplayName(
            "rule 14: a manifest whose deletion had no answer is deleted once more, and only an answer is a success")
    void answerLost(boolean again) {
        SessionId point = threePoints().get(1);
        String manifest = keyOf("points/", point);
        String witness = keyOf("witness/", point);
        store.forgetLog();
        store.intercept(new InterceptedStore.Interceptor() {
            private int seen;

            @Override
            public void delete(BlobStore objects, String key) {
                objects.delete(key);
                if (key.equals(manifest) && (seen++ == 0 || again)) {
                    throw new GenieVmException(ErrorCode.IO_ERROR, "the answer was lost");
                }
            }
        });

        ErrorCode code = codeOf(() -> lab.repository().delete(point));

        store.stopIntercepting();
        assertThat(code).isEqualTo(again ? ErrorCode.IO_ERROR : null);
        assertThat(store.log(Kind.DELETE)).containsExactly(witness, manifest, witness, manifest);
        assertGone(point);
    }

    @Test
    @DisplayName("what is left of the session goes with the point, also where the witness was never put")
    void sessionOfDeletedPoint() {
        lab.addVm("web", 500_000);
        lab.backup("web", DeadWriter.before(key -> key.startsWith("witness/")));
        lab.reopen();
        SessionId point = lab.repository().points().points().get(0).id();
        store.replace("progress/" + point + "-00000007", new byte[0]);
        store.replace("progress/" + "a".repeat(32) + "-00000007", new byte[0]);
        assertThat(store.keys("sessions/")).hasSize(1);

        lab.repository().delete(point);

        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("points/")).isEmpty();
        assertThat(store.keys("witness/")).isEmpty();
        assertThat(store.keys("progress/")).containsExactly("progress/" + "a".repeat(32) + "-00000007");
        lab.assertRestores(lab.backup("web").point());
    }

    @Test
    @DisplayName("a session without outcome is no point")
    void openSession() {
        lab.addVm("web", 100_000);
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith("points/")));
        lab.reopen();
        String session = store.keys("sessions/").get(0);

        assertNotFound(new SessionId(session.substring(session.lastIndexOf('/') + 1)));

        assertThat(store.keys("sessions/")).containsExactly(session);
    }

    @Test
    @DisplayName("a closed repository deletes nothing")
    void closed() {
        SessionId point = threePoints().get(0);
        lab.repository().close();
        store.forgetLog();
        assertThat(catchThrowableOfType(
                                GenieVmException.class, () -> lab.repository().delete(point))
                        .code())
                .isEqualTo(ErrorCode.CLOSED);
        assertThat(store.log()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(FaultyCall.Fault.class)
    @DisplayName(
            "a fault at every call: deleted or there, every other point whole, the next backup mends it, or another deletion")
    void everyFault(FaultyCall.Fault fault) {
        List<SessionId> points = threePoints();
        SessionId point = points.get(1);
        String witness = keyOf("witness/", point);
        // The longest way: there is a session object.
        store.replace(witness.replace("witness/", "sessions/"), new byte[] {1});
        Map<String, byte[]> start = store.content();
        Meanwhile counter = new Meanwhile();
        store.intercept(counter);
        lab.repository().delete(point);
        assertThat(counter.calls()).isGreaterThan(10);
        for (int call = 0; call < counter.calls(); call++) {
            for (boolean again : new boolean[] {false, true}) {
                store.reset(start);
                FaultyCall faulty = new FaultyCall(call, fault);
                store.intercept(faulty);
                Throwable failure = catchThrowable(() -> lab.repository().delete(point));
                store.stopIntercepting();
                lab.reopen();
                String what = fault + " at " + faulty.where();
                if (failure instanceof GenieVmException known) {
                    assertThat(known.code().category()).as(what).isEqualTo(ErrorCategory.ENVIRONMENT);
                } else {
                    assertThat(failure).as(what).isNull();
                }
                boolean listed = lab.repository().points().points().stream()
                        .anyMatch(each -> each.id().equals(point));
                assertThat(lab.repository().points().unreadable()).as(what).isEmpty();
                if (failure == null) {
                    assertThat(listed).as(what).isFalse();
                }
                if (listed) {
                    lab.assertRestores(point);
                    if (again) {
                        lab.repository().delete(point);
                    }
                } else if (again) {
                    continue;
                }
                BackupReport next = lab.backup("web");
                assertThat(lab.verify().damage()).as(what).isEmpty();
                if (listed && !again) {
                    lab.assertRestores(point);
                } else {
                    assertGone(point);
                }
                assertThat(store.keys("sessions/")).as(what).isEmpty();
                List.of(points.get(0), points.get(2), next.point()).forEach(lab::assertRestores);
            }
        }
    }

    @Test
    @DisplayName("of two who delete a point at the same time both succeed, or one finds nothing")
    void twice() {
        List<SessionId> points = threePoints();
        SessionId point = points.get(1);
        Map<String, byte[]> start = store.content();
        Meanwhile counter = new Meanwhile();
        store.intercept(counter);
        lab.repository().delete(point);
        store.stopIntercepting();
        try (Repository second = lab.genie().openRepository(BlobStoreConfig.of("lab:place"))) {
            for (int when = 0; when < counter.calls(); when++) {
                store.reset(start);
                List<ErrorCode> codes = new ArrayList<>();
                store.intercept(new Meanwhile(when, () -> codes.add(codeOf(() -> second.delete(point)))));
                codes.add(codeOf(() -> lab.repository().delete(point)));
                store.stopIntercepting();
                assertThat(codes).hasSize(2).contains((ErrorCode) null);
                assertThat(codes).allMatch(code -> code == null || code.equals(ErrorCode.NOT_FOUND));
                assertGone(point);
                lab.assertWhole();
            }
        }
        lab.assertRestores(points.get(0));
        lab.assertRestores(points.get(2));
    }

    @Test
    @DisplayName("a restore of a point that is deleted meanwhile succeeds, or says that the point is gone")
    void whileItIsRestored() {
        SessionId point = threePoints().get(1);
        Map<String, byte[]> start = store.content();
        Meanwhile counter = new Meanwhile();
        store.intercept(counter);
        lab.assertRestores(point);
        for (int when = 0; when < counter.calls(); when++) {
            store.reset(start);
            store.intercept(new Meanwhile(when, () -> lab.repository().delete(point)));
            ErrorCode code = codeOf(() -> lab.assertRestores(point));
            store.stopIntercepting();
            assertThat(code == null || code.equals(ErrorCode.NOT_FOUND)).isTrue();
            assertGone(point);
        }
    }

    @Test
    @DisplayName("a check while a point is deleted finds no damage")
    void whileItIsChecked() {
        SessionId point = threePoints().get(1);
        Map<String, byte[]> start = store.content();
        Meanwhile counter = new Meanwhile();
        store.intercept(counter);
        lab.verify();
        for (int when = 0; when < counter.calls(); when++) {
            store.reset(start);
            store.intercept(new Meanwhile(when, () -> lab.repository().delete(point)));
            VerifyReport report = lab.verify();
            store.stopIntercepting();
            assertThat(report.damage()).isEmpty();
            assertGone(point);
        }
    }

    @Test
    @DisplayName("a check that meets a deletion between witness and manifest finds no damage")
    void checkedInBetween() {
        SessionId point = threePoints().get(1);
        String manifest = keyOf("points/", point);
        String witness = keyOf("witness/", point);
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.equals(manifest)) {
                    objects.delete(witness);
                } else if (key.startsWith("index/")) {
                    objects.delete(manifest);
                }
                objects.get(key, offset, target);
            }
        });
        assertThat(lab.verify().damage()).isEmpty();
    }

    @Test
    @DisplayName("the parent is deleted at any moment of a backup that compares with it: the new point is whole")
    void whileItIsParent() {
        List<SessionId> points = threePoints();
        SessionId parent = points.get(2);
        lab.change("web", 77, 600_000);
        Map<String, byte[]> start = store.content();
        Meanwhile counter = new Meanwhile();
        lab.backup("web", counter);
        for (int when = 0; when < counter.calls(); when++) {
            store.reset(start);
            BackupReport report =
                    lab.backup("web", new Meanwhile(when, () -> lab.repository().delete(parent)));
            assertThat(report.parent()).isIn(parent, points.get(1));
            assertGone(parent);
            lab.assertRestores(report.point());
            lab.assertWhole();
        }
        points.subList(0, 2).forEach(lab::assertRestores);
    }

    @Test
    @DisplayName("rule 12: only the witnesses of points are put again that can be read and have no session object")
    void missingWitnesses() {
        List<SessionId> points = threePoints();
        Map<String, String> witnesses = new TreeMap<>();
        points.forEach(point -> witnesses.put(point.value(), keyOf("witness/", point)));
        byte[] first = store.bytes(witnesses.get(points.get(0).value()));
        witnesses.values().forEach(store::remove);
        flip(keyOf("points/", points.get(1)));
        assertThat(lab.verify().damage())
                .extracting(Damage::object)
                .contains(witnesses.get(points.get(0).value()));

        lab.backup("web");

        assertThat(store.bytes(witnesses.get(points.get(0).value()))).isEqualTo(first);
        assertThat(store.exists(witnesses.get(points.get(1).value()))).isFalse();
        assertThat(store.exists(witnesses.get(points.get(2).value()))).isTrue();
    }

    /** Points of a VM whose disk changes, each of which stores something. */
    private List<SessionId> threePoints() {
        lab.addVm("web", 2_500_000);
        List<SessionId> points = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            lab.change("web", i, 400_000);
            points.add(lab.backup("web").point());
        }
        return points;
    }

    private static @Nullable ErrorCode codeOf(Runnable action) {
        try {
            action.run();
            return null;
        } catch (GenieVmException e) {
            return e.code();
        }
    }

    private void assertNotFound(SessionId point) {
        assertThat(codeOf(() -> lab.repository().delete(point))).isEqualTo(ErrorCode.NOT_FOUND);
    }

    private void assertGone(SessionId point) {
        RestorePointList list = lab.repository().points();
        assertThat(list.points()).extracting(RestorePoint::id).doesNotContain(point);
        assertThat(list.unreadable()).isEmpty();
        assertNotFound(point);
        assertThat(codeOf(() -> lab.repository().point(point.value()))).isEqualTo(ErrorCode.NOT_FOUND);
    }

    private String keyOf(String prefix, SessionId point) {
        return store.keys(prefix).stream()
                .filter(key -> key.endsWith(point.value()))
                .findFirst()
                .orElseThrow();
    }

    private void flip(String key) {
        byte[] bytes = store.bytes(key);
        bytes[bytes.length / 2] ^= 1;
        store.replace(key, bytes);
    }
}
