package io.genievm.core.internal.repository;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.work.WorkFiles;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Rules 7 and 11 to 16 of docs/format/protocol.md with one call of the store at a time: who deletes, who deletes as well, who
 * tidies up, who commits and who ends the session of a writer that it takes for dead, in every order and with every death
 * that there is time for.
 */
class DeletionInterleavingTest {
    private static final VmId VM = new VmId("web");

    private final Lab lab = new Lab();
    private final List<Actor> actors = new ArrayList<>();
    private RepositoryAccess plain;
    private SessionId point;
    private ObjectKeys.PointKey key;
    private byte[] bytes;
    private Manifest manifest;
    private Map<String, byte[]> committed;

    @BeforeEach
    void prepare() {
        lab.addVm("web", 10_000);
        point = lab.backup("web").point();
        key = new ObjectKeys.PointKey(ObjectKeys.vmKey(VM), point);
        plain = accessTo(lab.store().other());
        bytes = lab.store().bytes(key.point());
        manifest = Manifest.decode(key.point(), plain.id(), plain.options().chunkSize(), bytes);
        committed = lab.store().content();
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("two at a time, each preempted once by the other, with and without their deaths")
    void pairs() {
        Consumer<RepositoryAccess> deleter = this::delete;
        Consumer<RepositoryAccess> tidier = access -> new PointCommit(access).tidy(VM);
        Consumer<RepositoryAccess> writer = this::commit;
        int runs = 0;
        for (Start start : Start.values()) {
            for (Consumer<RepositoryAccess> other : List.of(deleter, tidier, writer)) {
                if ((other == writer) != (start == Start.UNCOMMITTED)) {
                    continue;
                }
                for (List<Consumer<RepositoryAccess>> pair :
                        List.of(List.of(deleter, other), List.of(other, deleter))) {
                    runs += pair(start, pair.get(0), pair.get(1));
                }
            }
        }
        assertThat(runs).isGreaterThan(1500);
    }

    @Test
    @DisplayName("rule 16: who takes a writer for dead, and whoever else works at its session or point, two at a time")
    void ends() {
        Consumer<RepositoryAccess> deleter = this::delete;
        Consumer<RepositoryAccess> tidier = access -> new PointCommit(access).tidy(VM);
        Consumer<RepositoryAccess> writer = this::commit;
        Consumer<RepositoryAccess> ender = this::end;
        for (Start start : List.of(Start.NO_WITNESS_BUT_SESSION, Start.UNCOMMITTED)) {
            for (Consumer<RepositoryAccess> other : List.of(deleter, tidier, ender, writer)) {
                if (other != writer || start == Start.UNCOMMITTED) {
                    assertThat(pair(start, ender, other)).isPositive();
                    assertThat(pair(start, other, ender)).isPositive();
                }
            }
        }
    }

    @Test
    @DisplayName("all at a time, in random order, with and without deaths")
    void all() {
        Seeds.run(DeletionInterleavingTest.class, "all", 600, random -> {
            Start start = Start.values()[random.nextInt(Start.values().length)];
            begin(start);
            add(this::delete);
            add(this::delete);
            add(access -> new PointCommit(access).tidy(VM));
            if (start == Start.UNCOMMITTED) {
                add(this::commit);
            }
            if (random.nextBoolean()) {
                add(this::end);
            }
            Actor mortal = random.nextBoolean() ? actors.get(random.nextInt(actors.size())) : null;
            int lifetime = random.nextInt(14);
            run(random, mortal, lifetime);
            check("start " + start + ", " + (mortal == null ? "no death" : mortal.calls() + " calls before the death"));
        });
    }

    /** What is there to begin with. */
    private enum Start {
        /** A whole point. */
        WHOLE,
        /** A deletion was broken off. */
        NO_WITNESS,
        /** A writer died right after its commit. */
        NO_WITNESS_BUT_SESSION,
        /** A writer is about to commit. */
        UNCOMMITTED
    }

    private int pair(Start start, Consumer<RepositoryAccess> first, Consumer<RepositoryAccess> second) {
        int runs = 0;
        for (int deaths = 0; deaths < 3; deaths++) {
            for (int i = 0; ; i++) {
                int j = 0;
                boolean firstEnded = false;
                for (boolean ended = false; !ended; j++) {
                    begin(start);
                    Actor one = add(first);
                    Actor other = add(second);
                    firstEnded = one.advance(i);
                    ended = other.advance(j);
                    if (deaths > 0) {
                        (deaths == 1 ? one : other).kill();
                    }
                    one.advance(Integer.MAX_VALUE);
                    other.advance(Integer.MAX_VALUE);
                    check("start %s, %d calls, then %d calls of the other, death of %d".formatted(start, i, j, deaths));
                    runs++;
                }
                if (firstEnded) {
                    break;
                }
            }
        }
        return runs;
    }

    private void begin(Start start) {
        lab.store().reset(committed);
        actors.clear();
        if (start != Start.WHOLE) {
            lab.store().remove(key.witness());
        }
        if (start == Start.NO_WITNESS_BUT_SESSION || start == Start.UNCOMMITTED) {
            lab.store().replace(key.sessionObject(), new byte[] {1});
        }
        if (start == Start.UNCOMMITTED) {
            lab.store().remove(key.point());
        }
    }

    private void run(Random random, @Nullable Actor mortal, int lifetime) {
        List<Actor> alive = new ArrayList<>(actors);
        while (!alive.isEmpty()) {
            Actor next = alive.get(random.nextInt(alive.size()));
            if (next == mortal && next.calls() >= lifetime) {
                next.kill();
            }
            if (next.advance(1 + random.nextInt(4))) {
                alive.remove(next);
            }
        }
    }

    private void delete(RepositoryAccess access) {
        new PointDeletion(access, point).run();
    }

    /** As a session does at its end. */
    private void commit(RepositoryAccess access) {
        PointCommit commit = new PointCommit(access);
        if (commit.put(manifest, bytes) == PointCommit.Outcome.COMMITTED) {
            commit.putWitness(manifest, bytes);
        }
        access.store().delete(key.sessionObject());
    }

    private void end(RepositoryAccess access) {
        assertThat(WriterSession.end(access, VM, point)).isTrue();
    }

    private boolean isListed() {
        return lab.store().exists(key.point()) && lab.store().bytes(key.point()).length > 0;
    }

    private void check(String what) {
        assertThat(actors).allMatch(Actor::hasEnded);
        boolean listed = isListed();
        boolean deaths = actors.stream().anyMatch(Actor::isDead);
        if (actors.stream().anyMatch(actor -> deletes(actor) && actor.failure() == null)) {
            assertThat(listed)
                    .as("%s: is there although its deletion succeeded", what)
                    .isFalse();
        }
        for (Actor actor : actors) {
            if (actor.failure() != null && !actor.isDead()) {
                assertThat(actor.failure())
                        .as(what)
                        .isInstanceOfSatisfying(
                                GenieVmException.class,
                                failure -> assertThat(failure.code()).as(what).isEqualTo(ErrorCode.NOT_FOUND));
                assertThat(deletes(actor)).as(what).isTrue();
            }
        }
        // The next backup.
        new PointCommit(plain).tidy(VM);
        assertThat(isListed()).as(what).isEqualTo(listed);
        if (listed) {
            assertThat(lab.store().bytes(key.point())).isEqualTo(bytes);
            assertThat(lab.store().exists(key.witness())).as(what).isTrue();
            assertThat(lab.store().exists(key.sessionObject())).as(what).isFalse();
        } else if (lab.store().exists(key.witness())) {
            assertThat(isExcused()).as("%s: called lost", what).isTrue();
            assertThat(deaths).isTrue();
            new PointDeletion(plain, point).run();
        }
        PointCatalog catalog = PointCatalog.read(plain, VM);
        assertThat(catalog.lost()).as(what).isEmpty();
        assertThat(catalog.points()).as(what).hasSize(listed ? 1 : 0);
        // All packs and tables, whatever came of the point.
        committed.keySet().stream()
                .filter(each -> !each.startsWith("points/") && !each.startsWith("witness/"))
                .forEach(each -> assertThat(lab.store().exists(each)).as(each).isTrue());
    }

    /** The two deaths of rule 15. */
    private boolean isExcused() {
        for (Actor actor : actors) {
            if (actor.isDead()
                    && (actor.last().equals("put " + key.witness())
                            || actor.last().equals("delete " + key.point()))) {
                return true;
            }
        }
        return false;
    }

    /** Nobody else looks through the points of all VMs. */
    private static boolean deletes(Actor actor) {
        return actor.hasListed(ObjectKeys.POINTS);
    }

    private RepositoryAccess accessTo(BlobStore store) {
        RepositoryParameters parameters =
                RepositoryParameters.decode(ObjectKeys.REPOSITORY, lab.store().bytes(ObjectKeys.REPOSITORY));
        return new RepositoryAccess(
                store, parameters, new WorkFiles(null), Runnable::run, Clock.systemUTC(), 1 << 20, 1, Compressor::of);
    }

    private Actor add(Consumer<RepositoryAccess> work) {
        Actor actor = new Actor(lab.store().other(), store -> work.accept(accessTo(store)));
        actors.add(actor);
        return actor;
    }
}
