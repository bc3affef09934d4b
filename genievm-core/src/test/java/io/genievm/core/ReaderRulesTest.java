package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rules 9 and 10 of docs/format/protocol.md: how readers find what they look for, and which point is the latest. */
class ReaderRulesTest {
    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("rule 9: readers write nothing and delete nothing")
    void writeNothing() {
        lab.addVm("web", 500_000);
        BackupReport report = lab.backup("web");
        store.remove("repository-copy.json");
        store.keys("index/").forEach(store::remove);
        store.forgetLog();

        lab.repository().points();
        lab.assertRestores(report.point());
        lab.verify();
        lab.verify(new VerifyRequest(report.point(), false));
        lab.verify(new VerifyRequest(report.point(), true));

        assertThat(store.log()).isNotEmpty();
        assertThat(store.log(Kind.PUT)).isEmpty();
        assertThat(store.log(Kind.DELETE)).isEmpty();
    }

    @Test
    @DisplayName("rule 9: an entry whose pack is missing is ignored for another copy")
    void otherCopyOfMissingPack() {
        SessionId[] points = twoCopies();
        packsOf(points[0]).forEach(store::remove);

        lab.assertRestores(points[0]);
        lab.assertRestores(points[1]);
        lab.assertWhole();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    @DisplayName("rule 9: a damaged segment is read from another copy, and verify names its pack and no point")
    void otherCopyOfDamagedSegments(int damaged) {
        SessionId[] points = twoCopies();
        for (String pack : packsOf(points[damaged])) {
            byte[] bytes = store.bytes(pack);
            for (PlainRepository.PlainSegment segment : new PlainRepository(store.content()).segments(pack)) {
                bytes[segment.end() - 1] ^= 1;
            }
            store.replace(pack, bytes);
        }

        lab.assertRestores(points[0]);
        lab.assertRestores(points[1]);
        assertThat(lab.verify().damage())
                .hasSameSizeAs(packsOf(points[damaged]))
                .allMatch(damage -> damage.points().isEmpty() && damage.extent() == null);
        assertThat(lab.verify(new VerifyRequest(points[0], false)).isOk()).isTrue();
        assertThat(lab.verify(new VerifyRequest(points[1], false)).isOk()).isTrue();
    }

    @Test
    @DisplayName("rule 9: what a collector moves while a restore runs is found by reading the index anew")
    void indexReadAnew() {
        lab.addVm("web", 6_000_000).addDisk("more", 5_000_000).write(4_500_000, Lab.random(9, 400_000));
        SessionId point = lab.backup("web").point();
        Map<String, byte[]> old = store.content();
        condemnAll();
        SessionId mover = lab.backup("web").point();
        store.keys("gc/").forEach(store::remove);
        Map<String, byte[]> moved = store.content();
        // Before: just the old packs. After: just the new ones, as a collection leaves it.
        Map<String, byte[]> after = new TreeMap<>();
        moved.forEach((key, bytes) -> {
            boolean data = key.startsWith("packs/") || key.startsWith("index/");
            if (!data && old.containsKey(key) || data && key.contains(mover.value())) {
                after.put(key, bytes);
            }
        });
        store.reset(old);
        store.forgetLog();
        lab.assertRestores(point);
        int packReads = (int) store.log(Kind.GET).stream()
                .filter(key -> key.startsWith("packs/"))
                .count();
        assertThat(packReads).isGreaterThan(20);

        for (int when : new int[] {0, 1, 2, packReads / 2, packReads - 1}) {
            store.reset(old);
            store.intercept(new InterceptedStore.Interceptor() {
                private int left = when;

                @Override
                public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                    synchronized (this) {
                        if (key.startsWith("packs/") && left-- == 0) {
                            store.reset(after);
                        }
                    }
                    objects.get(key, offset, target);
                }
            });
            lab.assertRestores(point);
            store.stopIntercepting();
            lab.assertWhole();
        }
    }

    @Test
    @DisplayName("rule 9: what is missing of a point that was deleted meanwhile is no damage")
    void deletedMeanwhile() {
        lab.addVm("web", 3_000_000);
        SessionId point = lab.backup("web").point();
        lab.addVm("db", 3_000_000);
        lab.backup("db");
        Map<String, byte[]> before = store.content();
        InterceptedStore.Interceptor deletion = new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.startsWith("packs/")) {
                    // As a deletion and a collection after it do.
                    store.keys("").stream()
                            .filter(each -> each.contains(point.value()))
                            .forEach(store::remove);
                }
                objects.get(key, offset, target);
            }
        };

        store.intercept(deletion);
        GenieVmException failure = catchThrowableOfType(GenieVmException.class, () -> lab.restore("web", point));
        assertThat(failure.code()).isEqualTo(ErrorCode.NOT_FOUND);
        assertThat(lab.restoreFolder()).doesNotExist();

        store.reset(before);
        assertThat(lab.verify().damage()).isEmpty();

        store.reset(before);
        assertThat(catchThrowable(() -> lab.verify(new VerifyRequest(point, false))))
                .isInstanceOf(GenieVmException.class)
                .hasMessageContaining(point.value());
    }

    @Test
    @DisplayName("rule 9: a store that fails is no damage")
    void storeFails() {
        lab.addVm("web", 1_000_000);
        SessionId point = lab.backup("web").point();
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.startsWith("packs/")) {
                    throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, "the network is down");
                }
                objects.get(key, offset, target);
            }
        });

        GenieVmException restore = catchThrowableOfType(GenieVmException.class, () -> lab.restore("web", point));
        assertThat(restore.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
        assertThat(lab.restoreFolder()).doesNotExist();
        GenieVmException verify = catchThrowableOfType(GenieVmException.class, () -> lab.verify());
        assertThat(verify.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
    }

    @Test
    @DisplayName("rule 10: points are ordered by sequence, ties by id, never by time")
    void order() {
        lab.addVm("web", 10_000);
        SessionId first = lab.backup("web").point();
        Map<String, byte[]> withFirst = store.content();
        SessionId one = lab.backup("web").point();
        Map<String, byte[]> withOne = store.content();
        store.reset(withFirst);
        SessionId other = lab.backup("web").point();
        withOne.forEach((key, bytes) -> {
            if (!store.exists(key)) {
                store.replace(key, bytes);
            }
        });

        SessionId higher = one.value().compareTo(other.value()) > 0 ? one : other;
        SessionId lower = higher.equals(one) ? other : one;
        assertThat(lab.repository().points().points())
                .extracting(RestorePoint::id)
                .containsExactly(first, lower, higher);
        assertThat(lab.restore("web", null).point()).isEqualTo(higher);
        assertThat(lab.backup("web").parent()).isEqualTo(higher);
    }

    @ParameterizedTest
    @ValueSource(strings = {"flipped", "emptied", "missing", "missing, witness damaged", "flipped, no witness"})
    @DisplayName("rule 10: a latest point that is lost is named and not passed over; older points and backups go on")
    void latestIsLost(String how) {
        lab.addVm("web", 200_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 100_000);
        SessionId second = lab.backup("web").point();
        String manifest = pointKey(second);
        String witness = manifest.replace("points/", "witness/");
        damage(manifest, witness, how);

        CorruptDataException failure = catchThrowableOfType(CorruptDataException.class, () -> lab.restore("web", null));

        assertThat(failure).hasMessageContaining(manifest);
        assertThat(failure.resource().name()).isEqualTo(manifest);
        assertThat(lab.restoreFolder()).doesNotExist();
        lab.assertRestores(first);
        assertThat(catchThrowable(() -> lab.restore("web", second)))
                .isInstanceOf(CorruptDataException.class)
                .hasMessageContaining(manifest);
        assertThat(catchThrowable(() -> lab.repository().point(second.value())))
                .isInstanceOf(CorruptDataException.class);
        assertThat(lab.repository().points().unreadable()).singleElement().satisfies(damage -> {
            assertThat(damage.object()).isEqualTo(manifest);
            assertThat(damage.points()).containsExactly(second);
        });
        assertThat(lab.verify().damage()).extracting(Damage::object).contains(manifest);
        assertThat(lab.verify(new VerifyRequest(second, false)).damage())
                .singleElement()
                .satisfies(damage -> assertThat(damage.object()).isEqualTo(manifest));

        BackupReport third = lab.backup("web");
        assertThat(third.parent()).isEqualTo(first);
        assertThat(third.warnings()).extracting(Warning::code).containsExactly("POINT_DAMAGED");
        boolean sequenceKnown = !how.contains("witness");
        assertThat(third.sequence()).isEqualTo(sequenceKnown ? 3 : 2);
        if (sequenceKnown) {
            // Now it is known that the lost one is not the latest.
            RestoreReport restored = lab.restore("web", null);
            assertThat(restored.point()).isEqualTo(third.point());
            assertThat(restored.warnings()).extracting(Warning::code).containsExactly("POINT_DAMAGED");
        } else {
            assertThat(catchThrowable(() -> lab.restore("web", null))).isInstanceOf(CorruptDataException.class);
        }
        lab.assertRestores(third.point());
    }

    @Test
    @DisplayName("rule 10: an older point that is lost does not keep the latest from being restored")
    void olderIsLost() {
        lab.addVm("web", 200_000);
        SessionId first = lab.backup("web").point();
        SessionId second = lab.backup("web").point();
        damage(pointKey(first), pointKey(first).replace("points/", "witness/"), "flipped");

        RestoreReport report = lab.restore("web", null);

        assertThat(report.point()).isEqualTo(second);
        assertThat(report.warnings())
                .singleElement()
                .satisfies(warning -> assertThat(warning.message()).contains(pointKey(first)));
    }

    @Test
    @DisplayName("rule 10: when all points of a VM are lost that is said, not that there are none")
    void allAreLost() {
        lab.addVm("web", 10_000);
        SessionId point = lab.backup("web").point();
        store.remove(pointKey(point));

        assertThat(catchThrowable(() -> lab.restore("web", null)))
                .isInstanceOf(CorruptDataException.class)
                .hasMessageContaining(point.value());
        assertThat(lab.backup("web").sequence()).isEqualTo(2);
    }

    @Test
    @DisplayName("rule 10: another VM's lost point is none of this VM's business")
    void otherVm() {
        lab.addVm("web", 10_000);
        lab.addVm("db", 10_000);
        SessionId web = lab.backup("web").point();
        SessionId db = lab.backup("db").point();
        store.remove(pointKey(db));

        assertThat(lab.restore("web", null).point()).isEqualTo(web);
        assertThat(lab.restore("web", null).warnings()).isEmpty();
        assertThat(lab.backup("web").warnings()).isEmpty();
    }

    @Test
    @DisplayName("rule 10: a point that is deleted while the points are listed is not called lost")
    void deletedWhileListed() {
        lab.addVm("web", 10_000);
        SessionId point = lab.backup("web").point();
        String manifest = pointKey(point);
        String witness = manifest.replace("points/", "witness/");
        Map<String, byte[]> before = store.content();
        for (String after : List.of("witness/", "points/")) {
            for (boolean both : new boolean[] {true, false}) {
                store.reset(before);
                store.intercept(new InterceptedStore.Interceptor() {
                    @Override
                    public BlobCursor list(BlobStore objects, String prefix) {
                        BlobCursor cursor = objects.list(prefix);
                        if (prefix.equals(after)) {
                            cursor = listed(cursor);
                            objects.delete(witness);
                            if (both) {
                                objects.delete(manifest);
                            }
                        }
                        return cursor;
                    }
                });

                RestorePointList points = lab.repository().points();

                assertThat(points.unreadable()).isEmpty();
                assertThat(points.points()).hasSize(both ? 0 : 1);
                store.stopIntercepting();
            }
        }
    }

    @Test
    @DisplayName("a manifest that is nobody's, of another repository or another VM, is a lost point and not a point")
    void foreignManifests() {
        lab.addVm("web", 10_000);
        lab.addVm("db", 10_000);
        SessionId web = lab.backup("web").point();
        SessionId db = lab.backup("db").point();
        String moved = pointKey(web).replace(web.value(), "c".repeat(32));
        store.replace(moved, store.bytes(pointKey(db)));
        try (Lab other = new Lab()) {
            other.addVm("web", 10_000);
            SessionId foreign = other.backup("web").point();
            String key = "points/" + pointKey(web).split("/")[1] + "/" + foreign;
            store.replace(key, other.store().bytes(key));

            assertThat(lab.repository().points().points()).hasSize(2);
            assertThat(lab.repository().points().unreadable())
                    .extracting(Damage::object)
                    .containsExactlyInAnyOrder(moved, key);
            assertThat(lab.verify().damage()).extracting(Damage::object).contains(moved, key);
        }
    }

    @Test
    @DisplayName("what is no part of the repository is left alone and told as a warning")
    void foreignObjects() {
        lab.addVm("web", 10_000);
        lab.backup("web");
        List<String> foreign = List.of(
                "index/x",
                "packs/00/readme.txt",
                "points/a/b",
                "lost+found/x".replace("+", "-"),
                "notes.txt",
                "gc/x.plan");
        foreign.forEach(key -> store.replace(key, new byte[] {1}));

        VerifyReport report = lab.verify();
        lab.backup("web");

        assertThat(report.damage()).isEmpty();
        assertThat(report.warnings()).allMatch(warning -> warning.code().equals("FOREIGN_OBJECT"));
        foreign.forEach(key -> {
            assertThat(report.warnings()).anyMatch(warning -> warning.message().contains(key));
            assertThat(store.exists(key)).isTrue();
        });
    }

    @Test
    @DisplayName("very many foreign objects are told of in a few words")
    void manyForeignObjects() {
        for (int i = 0; i < 3000; i++) {
            store.replace("other/" + i, new byte[0]);
        }

        List<Warning> warnings = lab.verify().warnings();

        assertThat(warnings).hasSize(101);
        assertThat(warnings.get(100).message()).startsWith("2900 more");
    }

    @Test
    @DisplayName("garbage under names that could be the repository's is found, and keeps nothing from working")
    void garbage() {
        lab.addVm("web", 300_000);
        SessionId point = lab.backup("web").point();
        String other = "e".repeat(32);
        List<String> garbage = List.of(
                "packs/ee/" + other + "-00000000",
                "index/" + other + "-00000000",
                "points/" + other + "/" + other,
                "witness/" + other + "/" + point,
                "sessions/" + other + "/" + other,
                "progress/" + other + "-00000000",
                "gc/" + other + ".verdict");
        for (int seed = 0; seed < 5; seed++) {
            int length = 1 + seed * 40;
            garbage.forEach(key -> store.replace(key, Lab.random(key.hashCode(), length)));

            assertThat(lab.verify().damage())
                    .extracting(Damage::object)
                    .containsAll(garbage.stream()
                            .map(key -> key.replace("witness/", "points/"))
                            .toList());
            lab.assertRestores(point);
            lab.assertRestores(lab.backup("web").point());
        }
    }

    @Test
    @DisplayName("a new VM is not made from a damaged point; disks that were not asked for do not count")
    void targets() {
        lab.addVm("web", 300_000).addDisk("good", Lab.random(1, 100_000));
        SessionId point = lab.backup("web").point();
        PlainRepository plain = new PlainRepository(store.content());
        // One that holds chunks of the other disk only.
        List<String> good = plain.disks().stream()
                .filter(disk -> disk.disk().equals("good"))
                .flatMap(disk -> Arrays.stream(disk.chunks()))
                .toList();
        PlainRepository.PlainSegment segment = plain.segments().stream()
                .filter(each -> each.type() == 1 && each.ids().stream().noneMatch(good::contains))
                .findFirst()
                .orElseThrow();
        byte[] bytes = store.bytes(segment.pack());
        bytes[segment.end() - 1] ^= 1;
        store.replace(segment.pack(), bytes);

        assertThat(catchThrowable(() -> Lab.await(lab.repository()
                        .restore(RestoreRequest.builder(new VmId("web"))
                                .toNewVm(lab.connection(), "copy")
                                .build()))))
                .isInstanceOf(DamagedPointException.class)
                .hasMessageContaining("no VM was made");
        assertThat(catchThrowable(() -> lab.hypervisor().vm("copy"))).isNotNull();

        RestoreReport report = Lab.await(lab.repository()
                .restore(RestoreRequest.builder(new VmId("web"))
                        .disks(Set.of(new DiskId("good")))
                        .toNewVm(lab.connection(), "copy")
                        .build()));
        assertThat(report.vm()).isEqualTo(new VmId("copy"));
        assertThat(lab.hypervisor().vm("copy").disk("good").content()).isEqualTo(Lab.random(1, 100_000));
        assertThat(report.point()).isEqualTo(point);
    }

    @Test
    @DisplayName("the parameters are read from the copy when the first is damaged or missing")
    void copyServes() throws Exception {
        lab.addVm("web", 10_000);
        BackupReport report = lab.backup("web");
        byte[] bytes = store.bytes("repository.json");
        for (String how : List.of("flipped", "emptied", "missing")) {
            damage("repository.json", "none", how);
            lab.reopen();

            assertThat(lab.repository().options()).isEqualTo(Lab.SMALL);
            lab.assertRestores(report.point());
            assertThat(lab.verify().damage()).extracting(Damage::object).containsExactly("repository.json");
            lab.backup("web");
            store.replace("repository.json", bytes);
        }
        lab.reopen();
        lab.assertWhole();
        assertThat(Files.exists(lab.restoreFolder())).isTrue();
    }

    @Test
    @DisplayName("without any parameters there is no repository; with damaged ones only, it is damaged")
    void noParameters() {
        damage("repository.json", "none", "flipped");
        damage("repository-copy.json", "none", "missing");
        assertThat(catchThrowableOfType(GenieVmException.class, lab::reopen).code())
                .isEqualTo(ErrorCode.CORRUPT_DATA);

        damage("repository.json", "none", "missing");
        assertThat(catchThrowableOfType(GenieVmException.class, lab::reopen).code())
                .isEqualTo(ErrorCode.NOT_A_REPOSITORY);
    }

    private void damage(String key, String witness, String how) {
        if (how.startsWith("flipped")) {
            byte[] bytes = store.bytes(key);
            bytes[bytes.length / 2] ^= 1;
            store.replace(key, bytes);
        } else if (how.startsWith("emptied")) {
            store.replace(key, new byte[0]);
        } else {
            store.remove(key);
        }
        if (how.endsWith("no witness")) {
            store.remove(witness);
        } else if (how.endsWith("witness damaged")) {
            store.replace(witness, new byte[10]);
        }
    }

    /** Two points of the same content, each with packs of its own. */
    private SessionId[] twoCopies() {
        lab.addVm("web", 2_500_000);
        SessionId first = lab.backup("web").point();
        condemnAll();
        SessionId second = lab.backup("web").point();
        store.keys("gc/").forEach(store::remove);
        assertThat(packsOf(first)).hasSize(3);
        assertThat(packsOf(second)).hasSize(3);
        return new SessionId[] {first, second};
    }

    private void condemnAll() {
        String plan = "a".repeat(32);
        String packs = "\"" + String.join("\", \"", store.keys("packs/")) + "\"";
        store.replace(
                "gc/" + plan + ".plan",
                PlainRepository.document(
                        "plan",
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [%s], \"points\": []}"
                                .formatted(lab.repository().id(), plan, packs)));
    }

    private List<String> packsOf(SessionId session) {
        return store.keys("packs/").stream()
                .filter(key -> key.contains(session.value()))
                .toList();
    }

    private String pointKey(SessionId point) {
        return store.keys("points/").stream()
                .filter(key -> key.endsWith(point.value()))
                .findFirst()
                .orElseThrow();
    }

    /** A listing that is complete before anything else happens. */
    private static BlobCursor listed(BlobCursor cursor) {
        Map<String, BlobEntry> entries = new TreeMap<>();
        while (cursor.next()) {
            entries.put(cursor.entry().key(), cursor.entry());
        }
        return BlobCursor.of(entries.values().iterator());
    }
}
