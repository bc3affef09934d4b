package io.genievm.core.internal.repository;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.Seeds;
import io.genievm.testkit.ForwardingBlobStore;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Rule 8 of docs/format/protocol.md with one call of the store at a time: a writer gives up, without a fence, while another
 * writes the same, a point is deleted, somebody takes it for dead, or a collector waits for its end.
 */
class GivingUpInterleavingTest {
    private static final VmId VM = new VmId("web");
    private static final String PLAN = "c".repeat(32);
    private static final int PAGES = 3;
    private static final int PATIENCE = 25;

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();
    private SessionId point;
    private Manifest manifest;
    private Map<String, byte[]> committed;
    private @Nullable SessionId givenUp;
    private @Nullable SessionId written;
    private @Nullable Set<String> settled;
    private boolean fenced;

    @BeforeEach
    void prepare() {
        lab.addVm("web", 10_000);
        point = lab.backup("web").point();
        String key = ObjectKeys.point(VM, point);
        RepositoryAccess access = accessTo(store.other());
        manifest = Manifest.decode(key, access.id(), access.options().chunkSize(), store.bytes(key));
        committed = store.content();
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("one other at a time, one preempted by the other at each call, and the other way round")
    void pairs() {
        int waited = 0;
        for (int tables = 0; tables < PAGES; tables++) {
            int published = tables;
            Consumer<BlobStore> loser = each -> giveUp(each, published);
            for (Consumer<BlobStore> other :
                    List.<Consumer<BlobStore>>of(this::write, this::delete, this::endSessions, this::collect)) {
                waited += preempt(published, loser, other) + preempt(published, other, loser);
            }
        }
        assertThat(waited).as("how often a collector saw it end by itself").isGreaterThan(10);
    }

    @Test
    @DisplayName("all at a time, in random order, with and without the death of one of the others")
    void all() {
        Seeds.run(GivingUpInterleavingTest.class, "all", 300, random -> {
            begin();
            int tables = random.nextInt(PAGES);
            List<Actor> others = new ArrayList<>();
            List<Actor> alive = new ArrayList<>();
            for (Consumer<BlobStore> work :
                    List.<Consumer<BlobStore>>of(this::write, this::delete, this::endSessions, this::collect)) {
                if (random.nextInt(3) > 0) {
                    others.add(new Actor(store.other(), work));
                }
            }
            alive.add(new Actor(store.other(), each -> giveUp(each, tables)));
            alive.addAll(others);
            Actor mortal = !others.isEmpty() && random.nextBoolean() ? others.get(random.nextInt(others.size())) : null;
            int lifetime = random.nextInt(40);
            while (!alive.isEmpty()) {
                Actor next = alive.get(random.nextInt(alive.size()));
                if (next == mortal && next.calls() >= lifetime) {
                    next.kill();
                }
                if (next.advance(1 + random.nextInt(4))) {
                    alive.remove(next);
                    assertThat(next.isDead() ? null : next.failure()).isNull();
                }
            }
            check("in random order", mortal != null && mortal.isDead());
        });
    }

    /** Gives how often a collector saw the writer end by itself. */
    private int preempt(int tables, Consumer<BlobStore> first, Consumer<BlobStore> second) {
        int waited = 0;
        for (int calls : new int[] {2, 4, 9, Integer.MAX_VALUE}) {
            boolean ended = false;
            for (int before = 0; !ended; before++) {
                begin();
                Actor one = new Actor(store.other(), first);
                Actor other = new Actor(store.other(), second);
                ended = one.advance(before);
                other.advance(calls);
                one.advance(Integer.MAX_VALUE);
                other.advance(Integer.MAX_VALUE);
                String what = "%d calls, then %d of the other, with %d tables".formatted(before, calls, tables);
                assertThat(one.failure()).as(what).isNull();
                assertThat(other.failure()).as(what).isNull();
                check(what, false);
                waited += settled == null ? 0 : 1;
            }
        }
        return waited;
    }

    private void begin() {
        store.reset(committed);
        givenUp = null;
        written = null;
        settled = null;
        fenced = false;
    }

    /** Stores pages, each in a pack of its own, until the store has no space for one more table, and gives up. */
    private void giveUp(BlobStore where, int tables) {
        BlobStore full = new ForwardingBlobStore(where) {
            private int seen;

            @Override
            public PutOutcome put(String key, BlobContent content) {
                // A session may put tables for others while it opens.
                if (key.startsWith(ObjectKeys.INDEX) && givenUp != null && seen++ == tables) {
                    throw new GenieVmException(ErrorCode.NO_SPACE, "as wished");
                }
                return super.put(key, content);
            }
        };
        WriterSession session = WriterSession.open(accessTo(full), VM, 16 << 20, () -> {});
        givenUp = session.id();
        try {
            storeAll(session, true);
            // The other one has stored all of it.
            session.giveUp(new IllegalStateException("not needed"));
        } catch (GenieVmException e) {
            assertThat(e.code()).isEqualTo(ErrorCode.NO_SPACE);
            session.giveUp(e);
            assertThat(e.getSuppressed()).isEmpty();
        } finally {
            session.close();
        }
    }

    /** Stores the same and makes a point of it. */
    private void write(BlobStore where) {
        WriterSession session = WriterSession.open(accessTo(where), VM, 16 << 20, () -> {});
        try {
            storeAll(session, false);
            assertThat(session.commit(manifestOf(session.id()))).isIn((Object[]) PointCommit.Outcome.values());
            written = session.id();
        } finally {
            session.close();
        }
    }

    private static void storeAll(WriterSession session, boolean oneByOne) {
        for (int page = 0; page < PAGES; page++) {
            session.storePage(id(page), new byte[200], 200);
            if (oneByOne) {
                session.finishData();
            }
        }
        session.finishData();
    }

    private void delete(BlobStore where) {
        new PointDeletion(accessTo(where), point).run();
    }

    /** Takes every writer for dead. */
    private void endSessions(BlobStore where) {
        for (String key : keys(where, ObjectKeys.SESSIONS)) {
            // Whoever dies in it may have put one.
            fenced = true;
            WriterSession.end(accessTo(where), VM, sessionOf(key));
        }
    }

    /** What a collector does until it may decide: rule 11 of the model, with patience that ends. */
    private void collect(BlobStore where) {
        String plan = ObjectKeys.COLLECTIONS + PLAN + ".plan";
        where.put(
                plan,
                BlobContent.of(PlainRepository.document(
                        "plan",
                        "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [], \"points\": []}"
                                .formatted(lab.repository().id(), PLAN))));
        boolean waited = false;
        for (String key : keys(where, ObjectKeys.SESSIONS)) {
            String outcome = ObjectKeys.point(VM, sessionOf(key));
            int patience = PATIENCE;
            while (where.stat(outcome).isEmpty() && where.stat(key).isPresent()) {
                if (patience-- == 0) {
                    where.put(outcome, BlobContent.of(new byte[0]));
                    fenced = true;
                }
            }
            waited |= sessionOf(key).equals(givenUp);
        }
        Set<String> packs = packsOfGivenUp(keys(where, ObjectKeys.PACKS));
        settled = waited && !fenced ? packs : null;
        where.delete(plan);
    }

    private void check(String what, boolean death) {
        PlainRepository plain = new PlainRepository(store.content());
        // Nothing is left of who gave up but packs that a table names, and those stay.
        SessionId loser = Objects.requireNonNull(givenUp);
        Set<String> left = packsOfGivenUp(store.keys(ObjectKeys.PACKS));
        assertThat(plain.indexed().keySet()).as(what).containsAll(left);
        assertThat(store.keys(ObjectKeys.SESSIONS))
                .as(what)
                .noneMatch(key -> sessionOf(key).equals(loser));
        assertThat(store.keys(ObjectKeys.PROGRESS)).as(what).noneMatch(key -> key.contains(loser.value()));
        if (store.exists(ObjectKeys.point(VM, loser))) {
            assertThat(fenced).as("%s: only others put a fence", what).isTrue();
            assertThat(store.bytes(ObjectKeys.point(VM, loser))).as(what).isEmpty();
        }
        // Whoever has waited for its end can decide by what is there then.
        if (settled != null) {
            assertThat(left).as("%s: packs after the end", what).isEqualTo(settled);
        }
        // What somebody has relied on is there.
        if (written != null && store.bytes(ObjectKeys.point(VM, written)).length > 0) {
            for (int page = 0; page < PAGES; page++) {
                String id = HexFormat.of().formatHex(id(page));
                assertThat(plain.segments())
                        .as("%s: page %s, which %s needs", what, page, written)
                        .anyMatch(segment ->
                                segment.ids().contains(id) && plain.indexed().containsKey(segment.pack()));
            }
        }
        assertThat(plain.indexed().keySet())
                .as("%s: packs that tables name", what)
                .allMatch(pack -> store.exists(pack) || death);
        PointCatalog catalog = PointCatalog.read(accessTo(store.other()), VM);
        assertThat(catalog.lost()).as(what).hasSizeLessThanOrEqualTo(death ? 1 : 0);
    }

    /** One whose disks are those of the point that there is. */
    private Manifest manifestOf(SessionId session) {
        return new Manifest(
                manifest.repository(),
                session,
                VM,
                manifest.name(),
                manifest.sequence() + 1,
                manifest.point(),
                manifest.created(),
                manifest.generator(),
                manifest.provider(),
                manifest.source(),
                manifest.quiesced(),
                manifest.codec(),
                manifest.packs(),
                manifest.indexTables(),
                manifest.hardware(),
                manifest.disks(),
                manifest.omittedDisks(),
                manifest.warnings());
    }

    private Set<String> packsOfGivenUp(List<String> keys) {
        Set<String> packs = new TreeSet<>(keys);
        packs.removeIf(key -> givenUp == null || !key.contains(givenUp.value()));
        return packs;
    }

    private static SessionId sessionOf(String key) {
        return new SessionId(key.substring(key.lastIndexOf('/') + 1));
    }

    private static byte[] id(int page) {
        byte[] id = new byte[32];
        new Random(page).nextBytes(id);
        return id;
    }

    private static List<String> keys(BlobStore store, String prefix) {
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = store.list(prefix)) {
            while (cursor.next()) {
                keys.add(cursor.entry().key());
            }
        }
        return keys;
    }

    private RepositoryAccess accessTo(BlobStore where) {
        RepositoryParameters parameters =
                RepositoryParameters.decode(ObjectKeys.REPOSITORY, store.bytes(ObjectKeys.REPOSITORY));
        return new RepositoryAccess(
                where, parameters, new WorkFiles(null), Runnable::run, Clock.systemUTC(), 1 << 20, 1, Compressor::of);
    }
}
