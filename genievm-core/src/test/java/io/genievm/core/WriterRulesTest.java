package io.genievm.core;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.Events;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Rules 1 to 5 of docs/format/protocol.md: what a writer reads, and what it may rely on. */
class WriterRulesTest {
    private static final String PLAN = "a".repeat(32);

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("rules 1 to 4: session object, then plans, then points, then packs, then index")
    void readsInThisOrder() {
        lab.addVm("web", 100_000);
        lab.backup("web");
        putPlan(List.of());
        Events events = new Events();

        BackupReport report = lab.backup("web", events);

        List<String> order = List.of(
                "< put sessions/",
                "> list gc/",
                "< list gc/",
                "> get gc/" + PLAN + ".plan",
                "> list witness/",
                "> list points/",
                "> get points/",
                "> list packs/",
                "< list packs/",
                "> list index/",
                "> get index/",
                "> put points/");
        for (int i = 1; i < order.size(); i++) {
            // The last ones: points and witnesses are listed before that as well, to tidy up.
            assertThat(events.last(order.get(i)))
                    .as("'%s' after '%s'", order.get(i), order.get(i - 1))
                    .isGreaterThan(events.last(order.get(i - 1)));
        }
        assertThat(events.last("> list packs/")).isEqualTo(events.first("> list packs/"));
        assertThat(report.sequence()).isEqualTo(2);
    }

    @Test
    @DisplayName("rule 2: packs that an undecided plan condemns do not exist for a writer")
    void doesNotRelyOnCondemnedPacks() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        List<String> condemned = packsOf(first.point()).subList(0, 2);
        putPlan(condemned);

        BackupReport second = lab.backup("web");

        assertThat(second.disks().get(0).changedBytes()).isZero();
        // What the two have, and nothing else.
        assertThat(idsIn(packsOf(second.point()))).isEqualTo(idsIn(condemned));
        removeAll(condemned);
        lab.assertRestores(second.point());
        // And that is at the first point's service as well.
        lab.assertRestores(first.point());
    }

    @Test
    @DisplayName("rule 2: with a verdict only what it deletes does not exist")
    void obeysVerdicts() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        List<String> packs = packsOf(first.point());
        putPlan(packs);
        putVerdict(packs.subList(0, 1));

        BackupReport second = lab.backup("web");

        assertThat(idsIn(packsOf(second.point()))).isEqualTo(idsIn(packs.subList(0, 1)));
        store.remove(packs.get(0));
        lab.assertRestores(second.point());
    }

    @Test
    @DisplayName("rule 2: an empty verdict cancels a plan")
    void obeysCancellations() {
        lab.addVm("web", 100_000);
        putPlan(packsOf(lab.backup("web").point()));
        putVerdict(List.of());

        assertThat(packsOf(lab.backup("web").point())).isEmpty();
    }

    @Test
    @DisplayName("rule 2: a verdict that can not be read does not unsay its plan")
    void doesNotReadMuchIntoDamagedVerdicts() {
        lab.addVm("web", 100_000);
        List<String> packs = packsOf(lab.backup("web").point());
        putPlan(packs);
        for (byte[] damaged : List.of(new byte[0], new byte[500], "x\n".getBytes(UTF_8))) {
            store.replace("gc/" + PLAN + ".verdict", damaged);

            SessionId second = lab.backup("web").point();

            assertThat(packsOf(second)).isNotEmpty();
            removeAll(packsOf(second));
            store.remove("points/" + lastKey("points/", second));
            store.remove("witness/" + lastKey("witness/", second));
        }
    }

    @Test
    @DisplayName("rule 2: a plan that can not be read and has no verdict is cancelled")
    void cancelsDamagedPlans() {
        lab.addVm("web", 100_000);
        List<String> packs = packsOf(lab.backup("web").point());
        putPlan(packs);
        store.replace("gc/" + PLAN + ".plan", new byte[100]);

        BackupReport second = lab.backup("web");

        assertThat(packsOf(second.point())).isEmpty();
        assertThat(PlainRepository.json(store.bytes("gc/" + PLAN + ".verdict")).get("delete"))
                .isEmpty();
    }

    @Test
    @DisplayName("rule 2: of a plan that can not be read the verdict counts")
    void obeysVerdictsOnDamagedPlans() {
        lab.addVm("web", 100_000);
        List<String> packs = packsOf(lab.backup("web").point());
        putPlan(packs);
        putVerdict(packs);
        store.replace("gc/" + PLAN + ".plan", new byte[100]);

        assertThat(packsOf(lab.backup("web").point())).isNotEmpty();
    }

    @Test
    @DisplayName("rule 2: a plan of which nothing can be read stops writers, who leave nothing behind")
    void stopsWhenNothingCanBeKnown() {
        lab.addVm("web", 100_000);
        putPlan(packsOf(lab.backup("web").point()));
        store.replace("gc/" + PLAN + ".plan", new byte[100]);
        store.replace("gc/" + PLAN + ".verdict", new byte[100]);
        Map<String, byte[]> before = store.content();

        GenieVmException failure = Lab.failureOf(lab.beginBackup("web"));

        assertThat(failure.code()).isEqualTo(ErrorCode.CORRUPT_DATA);
        assertThat(failure).hasMessageContaining("gc/" + PLAN + ".plan");
        assertThat(store.content()).containsExactlyEntriesOf(before);
    }

    @Test
    @DisplayName(
            "rule 2: a plan that vanishes while it is read is finished; a verdict without a plan counts for nothing")
    void ignoresFinishedPlans() {
        lab.addVm("web", 100_000);
        List<String> packs = packsOf(lab.backup("web").point());
        putPlan(packs);
        BackupReport second = lab.backup("web", new InterceptedStore.Interceptor() {
            @Override
            public BlobCursor list(BlobStore objects, String prefix) {
                BlobCursor cursor = objects.list(prefix);
                if (prefix.equals("gc/")) {
                    cursor = copyOf(cursor);
                    objects.delete("gc/" + PLAN + ".plan");
                }
                return cursor;
            }
        });
        assertThat(packsOf(second.point())).isEmpty();

        putVerdict(packs);
        assertThat(packsOf(lab.backup("web").point())).isEmpty();
    }

    @Test
    @DisplayName("rule 2: a verdict that comes while the plan is read is obeyed or ignored, never misread")
    void meetsVerdicts() {
        lab.addVm("web", 100_000);
        List<String> packs = packsOf(lab.backup("web").point());
        putPlan(packs);
        store.replace("gc/" + PLAN + ".plan", new byte[100]);
        // Somebody else puts the verdict just before this writer would cancel the plan.
        BackupReport second = lab.backup("web", new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith("gc/")) {
                    putVerdict(packs);
                }
                return objects.put(key, content);
            }
        });

        assertThat(packsOf(second.point())).isNotEmpty();
    }

    @Test
    @DisplayName("rule 3: an index entry whose pack is not listed counts for nothing, and its content is stored again")
    void doesNotRelyOnMissingPacks() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        String missing = packsOf(first.point()).get(0);
        Set<String> ids = idsIn(List.of(missing));
        store.remove(missing);

        BackupReport second = lab.backup("web");

        assertThat(idsIn(packsOf(second.point()))).isEqualTo(ids);
        lab.assertRestores(second.point());
        lab.assertRestores(first.point());
        lab.assertWhole();
    }

    @Test
    @DisplayName("rule 3: a pack that has become shorter is not relied on")
    void doesNotRelyOnShortenedPacks() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        String pack = packsOf(first.point()).get(0);
        byte[] bytes = store.bytes(pack);
        store.replace(pack, Arrays.copyOf(bytes, bytes.length / 2));

        BackupReport second = lab.backup("web");

        store.remove(pack);
        lab.assertRestores(second.point());
        lab.assertRestores(first.point());
    }

    @Test
    @DisplayName("rule 3: packs that no table names are not relied on while their session has no point")
    void doesNotAdoptPacksOfDeadSessions() {
        lab.addVm("web", 2_500_000);
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith("index/")));
        List<String> orphans = store.keys("packs/");
        assertThat(orphans).isNotEmpty();
        lab.reopen();

        BackupReport report = lab.backup("web");

        // As their owner may still take them back.
        removeAll(orphans);
        lab.assertRestores(report.point());
    }

    @Test
    @DisplayName("rule 3: packs that no table names are not relied on when their session has only a fence")
    void doesNotAdoptPacksOfFencedSessions() {
        lab.addVm("web", 2_500_000);
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith("index/")));
        String session = store.keys("sessions/").get(0);
        store.replace(session.replace("sessions/", "points/"), new byte[0]);
        List<String> orphans = store.keys("packs/");
        lab.reopen();

        BackupReport report = lab.backup("web");

        removeAll(orphans);
        lab.assertRestores(report.point());
    }

    @Test
    @DisplayName("rule 3: packs that a table names are relied on, although their session died without a point")
    void reusesPublishedPacks() {
        lab.addVm("web", 2_500_000);
        lab.failingBackup("web", DeadWriter.after(key -> key.startsWith("index/")));
        int packs = store.keys("packs/").size();
        assertThat(packs).isGreaterThan(1);
        lab.reopen();

        BackupReport report = lab.backup("web");

        assertThat(packsOf(report.point())).isEmpty();
        assertThat(store.keys("packs/")).hasSize(packs);
        lab.assertRestores(report.point());
        lab.assertWhole();
    }

    @Test
    @DisplayName("rule 3: packs of a point that have lost their table are relied on, and a table is put again")
    void republishesLostTables() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        lab.addVm("db", 500_000);
        BackupReport other = lab.backup("db");
        store.keys("index/").forEach(store::remove);
        assertThat(lab.verify().damage())
                .extracting(Damage::object)
                .containsExactlyInAnyOrder(
                        "index/" + first.point() + "-00000000", "index/" + other.point() + "-00000000");
        lab.assertRestores(first.point());

        BackupReport second = lab.backup("web");

        assertThat(packsOf(second.point())).isEmpty();
        assertThat(store.keys("index/")).hasSize(1);
        lab.assertWhole();
        lab.assertRestores(first.point());
        lab.assertRestores(second.point());
        lab.assertRestores(other.point());
        // The new table says all that the old ones said, so readers look into no footer.
        Events events = new Events();
        store.intercept(events);
        lab.verify(new VerifyRequest(first.point(), true));
        store.stopIntercepting();
        assertThat(events.count("> get index/")).isPositive();
        // And no writer puts it twice.
        lab.backup("web");
        assertThat(store.keys("index/")).hasSize(1);
    }

    @Test
    @DisplayName("rule 3: one lost table of several is put again, the others are left alone")
    void republishesOneLostTable() {
        lab.addVm("web", 500_000);
        BackupReport first = lab.backup("web");
        lab.change("web", 1, 100_000);
        BackupReport second = lab.backup("web");
        store.remove("index/" + first.point() + "-00000000");

        lab.change("web", 2, 50_000);
        BackupReport third = lab.backup("web");

        assertThat(store.keys("index/"))
                .containsExactlyInAnyOrder(
                        "index/" + second.point() + "-00000000",
                        "index/" + third.point() + "-00000000",
                        "index/" + third.point() + "-00000001");
        lab.assertWhole();
        lab.points().forEach(lab::assertRestores);
    }

    @Test
    @DisplayName("rule 3: a table that can not be read is made up for like one that is lost")
    void republishesDamagedTables() {
        lab.addVm("web", 500_000);
        BackupReport first = lab.backup("web");
        String table = "index/" + first.point() + "-00000000";
        byte[] bytes = store.bytes(table);
        bytes[bytes.length / 2] ^= 1;
        store.replace(table, bytes);

        BackupReport second = lab.backup("web");

        assertThat(packsOf(second.point())).isEmpty();
        assertThat(second.warnings()).singleElement().satisfies(warning -> {
            assertThat(warning.code()).isEqualTo("INDEX_DAMAGED");
            assertThat(warning.message()).contains(table);
        });
        assertThat(lab.restore("web", second.point()).warnings()).isEqualTo(second.warnings());
        assertThat(lab.verify().damage()).extracting(Damage::object).containsExactly(table);
        lab.points().forEach(lab::assertRestores);
    }

    @Test
    @DisplayName("rule 3: a pack without a table whose footer is damaged, or which is another one, is not relied on")
    void doesNotAdoptDamagedPacks() {
        lab.addVm("web", 2_500_000);
        BackupReport first = lab.backup("web");
        List<String> packs = packsOf(first.point());
        store.keys("index/").forEach(store::remove);
        byte[] footer = store.bytes(packs.get(0));
        footer[footer.length - 100] ^= 1;
        store.replace(packs.get(0), footer);
        byte[] header = store.bytes(packs.get(1));
        header[20] ^= 1;
        store.replace(packs.get(1), header);

        BackupReport second = lab.backup("web");

        removeAll(packs.subList(0, 2));
        lab.assertRestores(second.point());
        lab.assertRestores(first.point());
    }

    @Test
    @DisplayName(
            "rule 4: the sequence is above that of every manifest and every witness; the parent is one that can be read")
    void sequenceIsAboveAll() {
        lab.addVm("web", 100_000);
        BackupReport first = lab.backup("web");
        BackupReport second = lab.backup("web");
        BackupReport third = lab.backup("web");
        store.remove(pointKey(third));
        byte[] manifest = store.bytes(pointKey(second));
        manifest[100] ^= 1;
        store.replace(pointKey(second), manifest);

        BackupReport fourth = lab.backup("web");

        assertThat(fourth.sequence()).isEqualTo(4);
        assertThat(fourth.parent()).isEqualTo(first.point());
        assertThat(fourth.warnings()).extracting("code").containsExactly("POINT_DAMAGED", "POINT_DAMAGED");
        lab.assertRestores(fourth.point());
    }

    @Test
    @DisplayName("rule 4: a parent whose map is damaged is no reason to fail")
    void damagedParent() {
        lab.addVm("web", 500_000);
        BackupReport first = lab.backup("web");
        PlainRepository plain = new PlainRepository(store.content());
        PlainRepository.PlainSegment pages = plain.segments().stream()
                .filter(segment -> segment.type() == 2)
                .findFirst()
                .orElseThrow();
        byte[] pack = store.bytes(pages.pack());
        pack[pages.end() - 1] ^= 1;
        store.replace(pages.pack(), pack);

        lab.change("web", 1, 500_000);
        BackupReport second = lab.backup("web");

        assertThat(second.parent()).isEqualTo(first.point());
        lab.assertRestores(second.point());
    }

    @Test
    @DisplayName("rule 5: packs are durable before the table that names them, tables before the manifest")
    void publishesInThisOrder() {
        lab.addVm("web", 3_500_000);
        Events events = new Events();

        BackupReport report = lab.backup("web", events);

        assertThat(packsOf(report.point())).hasSizeGreaterThan(2);
        assertThat(events.last("< put packs/")).isLessThan(events.first("> put index/"));
        assertThat(events.last("< put index/")).isLessThan(events.first("> put points/"));
        assertThat(events.first("> put progress/"))
                .isBetween(events.first("< put index/"), events.first("> put points/"));
        assertThat(events.count("> put points/")).isEqualTo(1);
    }

    @Test
    @DisplayName("the copy of the parameters is put by a writer that finds none, with the same bytes")
    void putsCopyOfParameters() {
        lab.addVm("web", 10_000);
        store.remove("repository-copy.json");
        lab.reopen();
        assertThat(lab.verify().damage()).extracting(Damage::object).containsExactly("repository-copy.json");

        lab.backup("web");

        assertThat(store.bytes("repository-copy.json")).isEqualTo(store.bytes("repository.json"));
        lab.assertWhole();
    }

    @Test
    @DisplayName("the copy of the parameters is put when the first is there, and only by whoever has created that")
    void creates() {
        store.keys("").forEach(store::remove);
        Events events = new Events();
        store.intercept(events);
        lab.recreate();
        store.stopIntercepting();
        assertThat(events.first("> put repository-copy.json")).isGreaterThan(events.first("< put repository.json"));

        store.remove("repository-copy.json");
        assertThat(catchThrowableOfType(GenieVmException.class, lab::recreate).code())
                .isEqualTo(ErrorCode.ALREADY_EXISTS);
        assertThat(store.exists("repository-copy.json")).isFalse();
    }

    @Test
    @DisplayName("without parameters that can be read no copy of them is made")
    void doesNotCopyDamagedParameters() {
        lab.addVm("web", 10_000);
        byte[] parameters = store.bytes("repository.json");
        parameters[10] ^= 1;
        store.replace("repository.json", parameters);
        lab.reopen();
        store.remove("repository-copy.json");

        lab.backup("web");

        assertThat(store.exists("repository-copy.json")).isFalse();
    }

    @Test
    @DisplayName("two writers of one VM at a time both succeed, and both points are whole")
    void twoWriters() {
        lab.addVm("web", 3_000_000);
        lab.backup("web");
        for (int round = 0; round < 5; round++) {
            lab.change("web", round, 2_000_000);
            Map<DiskId, byte[]> content = lab.contentOf(new VmId("web"));
            TaskHandle<BackupReport> one = lab.beginBackup("web");
            TaskHandle<BackupReport> other = lab.beginBackup("web");
            BackupReport oneReport = Lab.await(one);
            BackupReport otherReport = Lab.await(other);
            lab.remember(oneReport, content);
            lab.remember(otherReport, content);

            assertThat(oneReport.point()).isNotEqualTo(otherReport.point());
        }
        lab.points().forEach(lab::assertRestores);
        lab.assertWhole();
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(store.keys("progress/")).isEmpty();
        assertThat(lab.hypervisor().openSnapshots()).isZero();
    }

    /** By their numbers; the maps are in the last. */
    private List<String> packsOf(SessionId session) {
        return store.keys("packs/").stream()
                .filter(key -> key.contains(session.value()))
                .sorted(Comparator.comparing(key -> key.substring(key.lastIndexOf('-'))))
                .toList();
    }

    private Set<String> idsIn(List<String> packs) {
        return new PlainRepository(store.content())
                .segments().stream()
                        .filter(segment -> packs.contains(segment.pack()))
                        .flatMap(segment -> segment.ids().stream())
                        .collect(Collectors.toSet());
    }

    private String pointKey(BackupReport report) {
        return "points/" + lastKey("points/", report.point());
    }

    private String lastKey(String prefix, SessionId session) {
        return store.keys(prefix).stream()
                .filter(key -> key.endsWith(session.value()))
                .map(key -> key.substring(prefix.length()))
                .collect(Collectors.joining());
    }

    private void removeAll(List<String> keys) {
        keys.forEach(store::remove);
    }

    private void putPlan(List<String> condemned) {
        store.replace(
                "gc/" + PLAN + ".plan",
                PlainRepository.document(
                        "plan",
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": %s, \"points\": []}"
                                .formatted(lab.repository().id(), PLAN, array(condemned))));
    }

    private void putVerdict(List<String> packs) {
        store.replace(
                "gc/" + PLAN + ".verdict",
                PlainRepository.document(
                        "verdict",
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"delete\": %s}"
                                .formatted(lab.repository().id(), PLAN, array(packs))));
    }

    private static String array(List<String> texts) {
        return texts.stream().map(text -> "\"" + text + "\"").collect(Collectors.joining(", ", "[", "]"));
    }

    /** A listing that is complete before anything else happens. */
    private static BlobCursor copyOf(BlobCursor cursor) {
        Map<String, BlobEntry> entries = new TreeMap<>();
        while (cursor.next()) {
            entries.put(cursor.entry().key(), cursor.entry());
        }
        return BlobCursor.of(entries.values().iterator());
    }
}
