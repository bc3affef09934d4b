package io.genievm.core.internal.verify;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import io.genievm.core.testing.Seeds;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** How much of the packs verify says that no point needs. */
class UnneededBytesTest {
    private static final VerifyRequest STRUCTURE = new VerifyRequest(null, true);

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName(
            "nothing is unneeded in an empty repository, and in one of several points and VMs; nor is it asked for")
    void nothing() {
        assertThat(unneeded()).isZero();
        lab.addVm("web", 6_000_000);
        lab.addVm("db", 2_000_000);
        lab.hypervisor()
                .vm("db")
                .disk("root")
                .write(0, lab.hypervisor().vm("web").disk("root").read(0, 600_000));
        for (int i = 0; i < 4; i++) {
            lab.backup("web");
            lab.backup("db");
            lab.change("web", i, 700_000);
            lab.change("db", 100 + i, 300_000);
        }

        assertThat(unneeded()).isZero();

        assertThat(packsAsked()).isZero();
        SessionId point = lab.repository().points().points().get(0).id();
        assertThat(lab.verify(new VerifyRequest(point, true)).unneededBytes()).isNull();
        assertThat(lab.verify(new VerifyRequest(point, false)).unneededBytes()).isNull();
    }

    @Test
    @DisplayName("packs of killed backups count with their whole length, whether a table names them or not")
    void orphans() {
        lab.addVm("web", 3_000_000);
        SessionId point = lab.backup("web").point();
        lab.change("web", 1, 2_500_000);
        lab.failingBackup("web", DeadWriter.before(key -> key.startsWith("index/")));
        lab.reopen();
        lab.change("web", 2, 2_500_000);
        lab.failingBackup("web", DeadWriter.after(key -> key.startsWith("progress/")));
        lab.reopen();
        List<String> orphans = store.keys("packs/").stream()
                .filter(key -> !key.contains(point.value()))
                .toList();
        assertThat(orphans).hasSizeGreaterThan(3);

        assertThat(unneeded()).isEqualTo(lengths(orphans)).isEqualTo(plain());
        assertThat(lab.verify().orphans())
                .isEqualTo(lab.verify(STRUCTURE).orphans())
                .isEqualTo(new VerifyReport.Orphans(2, orphans.size(), lengths(orphans)));
        assertThat(lab.verify(new VerifyRequest(point, true)).orphans()).isNull();

        // The next backup finds again what the table names, and stores nothing twice of it.
        lab.backup("web");
        assertThat(unneeded()).isLessThan(lengths(orphans)).isPositive();
        VerifyReport.Orphans left = Objects.requireNonNull(lab.verify().orphans());
        assertThat(left.bytes()).isEqualTo(unneeded());
        assertThat(left.packs()).isBetween(1, orphans.size() - 1);

        // Ended by somebody who knows that they are dead, they are still what they are.
        for (String session : store.keys("sessions/")) {
            store.replace(session.replace("sessions/", "points/"), new byte[0]);
        }
        assertThat(lab.verify().orphans()).isEqualTo(new VerifyReport.Orphans(0, left.packs(), left.bytes()));
        lab.backup("web");
        assertThat(store.keys("sessions/")).isEmpty();
        assertThat(lab.verify().orphans()).isEqualTo(new VerifyReport.Orphans(0, left.packs(), left.bytes()));
    }

    @Test
    @DisplayName("what deleted points have left is no orphan, nor what a backup has left that could clear up")
    void noOrphans() {
        lab.addVm("web", 3_000_000);
        SessionId point = lab.backup("web").point();
        lab.repository().delete(point);
        lab.failingBackup("web", new InterceptedStore.Interceptor() {
            @Override
            public PutOutcome put(BlobStore objects, String key, BlobContent content) {
                if (key.startsWith("points/")) {
                    throw new GenieVmException(ErrorCode.NO_SPACE, "full");
                }
                return objects.put(key, content);
            }
        });
        assertThat(unneeded()).isPositive();
        assertThat(lab.verify().orphans()).isEqualTo(new VerifyReport.Orphans(0, 0, 0));
    }

    @Test
    @DisplayName("what only a deleted point needed is unneeded: whole packs, and segments of packs that others need")
    void deletedPoints() {
        lab.addVm("web", 3_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 1_500_000);
        SessionId second = lab.backup("web").point();
        lab.change("web", 2, 1_400_000);
        SessionId third = lab.backup("web").point();
        assertThat(unneeded()).isZero();

        lab.repository().delete(first);
        // Its first half was overwritten; the packs begin with it.
        assertThat(unneeded()).isEqualTo(plain()).isBetween(1_400_000L, 1_700_000L);

        assertThat(packsAsked()).isBetween(1L, 3L);
        lab.repository().delete(third);
        assertThat(unneeded()).isEqualTo(plain()).isGreaterThan(2_800_000);
        lab.repository().delete(second);
        assertThat(unneeded()).isEqualTo(lengths(store.keys("packs/")));
    }

    @Test
    @DisplayName("of what is stored twice one copy is needed")
    void storedTwice() {
        lab.addVm("web", 2_500_000);
        SessionId first = lab.backup("web").point();
        String plan = "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [%s], \"points\": []}"
                .formatted(
                        lab.repository().id(),
                        "a".repeat(32),
                        String.join(
                                ", ",
                                store.keys("packs/").stream()
                                        .map(pack -> "\"" + pack + "\"")
                                        .toList()));
        store.replace("gc/" + "a".repeat(32) + ".plan", PlainRepository.document("plan", plan));
        SessionId second = lab.backup("web").point();
        store.keys("gc/").forEach(store::remove);
        assertThat(new PlainRepository(store.content()).storedTwice()).isGreaterThan(600);

        assertThat(unneeded()).isIn(lengths(packsOf(first)), lengths(packsOf(second)));

        lab.repository().delete(first);
        assertThat(unneeded()).isIn(lengths(packsOf(first)), lengths(packsOf(second)));
        packsOf(first).forEach(store::remove);
        assertThat(unneeded()).isZero();
        lab.assertWhole();
    }

    @Test
    @DisplayName("random histories of two VMs with deaths and deletions: just what a second reader counts")
    void randomHistories() {
        Seeds.run(UnneededBytesTest.class, "randomHistories", 8, random -> {
            try (Lab own = new Lab()) {
                own.addVm("web", 2_000_000 + random.nextInt(4_000_000));
                own.addVm("db", random.nextInt(2_000_000));
                List<SessionId> points = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    step(own, random, points);
                    PlainRepository plain = new PlainRepository(own.store().content());
                    // Two dead sessions may have stored the same: then it is not said which copy counts.
                    if (plain.storedTwice() == 0) {
                        long expected = plain.unneededBytes(own.store().content());
                        assertThat(own.verify().unneededBytes()).isEqualTo(expected);
                        assertThat(own.verify(STRUCTURE).unneededBytes()).isEqualTo(expected);
                    }
                }
                for (SessionId point : points) {
                    own.repository().delete(point);
                }
                assertThat(own.verify(STRUCTURE).unneededBytes())
                        .isEqualTo(lengths(own.store(), own.store().keys("packs/")));
            }
        });
    }

    @Test
    @DisplayName("lost tables and damaged ends of packs: the packs tell all the same")
    void withoutTables() {
        lab.addVm("web", 3_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 1_500_000);
        lab.backup("web");
        lab.repository().delete(first);
        long expected = plain();
        store.keys("index/").forEach(store::remove);
        assertThat(lab.verify(STRUCTURE).unneededBytes()).isEqualTo(expected);

        for (String pack : store.keys("packs/")) {
            byte[] bytes = store.bytes(pack);
            bytes[bytes.length - 1] ^= 1;
            store.replace(pack, bytes);
        }
        assertThat(lab.verify(STRUCTURE).unneededBytes()).isEqualTo(expected);
    }

    @Test
    @DisplayName("several tables that name a pack do not confuse the count")
    void severalTables() {
        lab.addVm("web", 1_500_000);
        SessionId first = lab.backup("web").point();
        String table = store.keys("index/").get(0);
        byte[] bytes = store.bytes(table);
        // The same under another name.
        byte[] copy = bytes.clone();
        Arrays.fill(copy, 32, 48, (byte) 0xcc);
        CRC32C crc = new CRC32C();
        crc.update(copy, 0, copy.length - 8);
        ByteBuffer.wrap(copy).putInt(copy.length - 8, (int) crc.getValue());
        store.replace("index/" + "cc".repeat(16) + "-00000000", copy);

        assertThat(unneeded()).isZero();
        lab.assertWhole();
        lab.change("web", 1, 700_000);
        lab.backup("web");
        lab.repository().delete(first);
        assertThat(unneeded()).isEqualTo(plain()).isPositive();
    }

    @Test
    @DisplayName("with damage it is a guess, and the damage is told as ever, also of points after the first")
    void damage() {
        lab.addVm("web", 6_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 500_000);
        SessionId second = lab.backup("web").point();
        lab.addVm("db", 700_000);
        SessionId other = lab.backup("db").point();
        PlainRepository plain = new PlainRepository(store.content());
        Set<String> pagePacks = new HashSet<>();
        for (PlainSegment segment : plain.segments()) {
            if (segment.type() == 2 && segment.pack().contains(first.value())) {
                byte[] bytes = store.bytes(segment.pack());
                bytes[segment.end() - 1] ^= 1;
                store.replace(segment.pack(), bytes);
                pagePacks.add(segment.pack());
            }
        }
        assertThat(pagePacks).hasSize(1);

        for (VerifyRequest request : List.of(VerifyRequest.EVERYTHING, STRUCTURE)) {
            VerifyReport report = lab.verify(request);
            // What the damaged pages were the map of can not be known to be needed.
            assertThat(report.unneededBytes()).isGreaterThan(1_500_000);
            assertThat(report.damage())
                    .hasSize(2)
                    .allMatch(damage -> pagePacks.contains(damage.object()))
                    .noneMatch(damage -> damage.points().contains(other));
            assertThat(report.damage()).flatMap(damage -> damage.points()).contains(first, second);
        }
    }

    private static void step(Lab lab, Random random, List<SessionId> points) {
        String vm = random.nextBoolean() ? "web" : "db";
        int size = (int) lab.hypervisor().vm(vm).disk("root").capacity();
        if (size > 0) {
            int length = 1 + random.nextInt(Math.min(size, 900_000));
            lab.hypervisor()
                    .vm(vm)
                    .disk("root")
                    .write(random.nextInt(size - length + 1), Lab.random(random.nextInt(), length));
        }
        switch (random.nextInt(4)) {
            case 0 -> {
                if (!points.isEmpty()) {
                    lab.repository().delete(points.remove(random.nextInt(points.size())));
                }
            }
            case 1 -> {
                DeadWriter writer = DeadWriter.after(key -> key.startsWith("index/"));
                lab.store().intercept(writer);
                try {
                    points.add(Lab.await(lab.beginBackup(vm)).point());
                } catch (GenieVmException e) {
                    assertThat(writer.isDead()).isTrue();
                }
                lab.store().stopIntercepting();
                lab.reopen();
            }
            default -> points.add(lab.backup(vm).point());
        }
    }

    /** What both kinds of check say. */
    private long unneeded() {
        long bytes = Objects.requireNonNull(lab.verify().unneededBytes());
        assertThat(lab.verify(STRUCTURE).unneededBytes()).isEqualTo(bytes);
        return bytes;
    }

    private long plain() {
        return new PlainRepository(store.content()).unneededBytes(store.content());
    }

    /** How many packs a check of the structure reads the trailer of. */
    private long packsAsked() {
        LongAdder asked = new LongAdder();
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.startsWith("packs/") && target.remaining() == 24) {
                    asked.increment();
                }
                objects.get(key, offset, target);
            }
        });
        lab.verify(STRUCTURE);
        store.stopIntercepting();
        return asked.sum();
    }

    private List<String> packsOf(SessionId session) {
        return store.keys("packs/").stream()
                .filter(key -> key.contains(session.value()))
                .toList();
    }

    private long lengths(List<String> packs) {
        return lengths(store, packs);
    }

    private static long lengths(InterceptedStore store, List<String> packs) {
        return packs.stream().mapToLong(pack -> store.bytes(pack).length).sum();
    }
}
