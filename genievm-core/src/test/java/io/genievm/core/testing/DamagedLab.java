package io.genievm.core.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.Damage;
import io.genievm.core.VerifyReport;
import io.genievm.testkit.InMemoryVm;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import org.assertj.core.api.Assertions;

/**
 * A repository with several VMs and points, of all codecs, with what dead sessions left; and what to expect of it when it
 * is damaged. What is where is read by {@link PlainRepository}. For one thread.
 */
public final class DamagedLab implements AutoCloseable {
    private final Lab lab = new Lab();
    private final Map<String, byte[]> original;
    private final PlainRepository plain;

    public DamagedLab() {
        Random random = new Random(42);
        InMemoryVm web = lab.hypervisor().addVm("web");
        // Two levels of map, an odd end, holes.
        web.addDisk("root", 6_000_001).write(4096, bytes(random, 1_500_000));
        web.disk("root").write(5_000_000, bytes(random, 1_000_001));
        web.addDisk("data", 300_000).write(100_000, bytes(random, 60_000));
        web.addDisk("empty", 0);
        web.addDisk("zeroes", 1_000_000);
        InMemoryVm db = lab.hypervisor().addVm("db");
        db.addDisk("root", 3_000_000).write(8192, web.disk("root").read(4096, 800_000));
        db.disk("root").write(2_000_000, text(random, 900_000));

        backup("web", Codec.NONE);
        backup("db", Codec.DEFAULT);
        db.disk("root").write(1_500_000, text(random, 400_000));
        backup("db", Codec.LZ4);
        web.disk("root").write(2_000_000, bytes(random, 1_300_000));
        die("web", DeadWriter.before(key -> key.startsWith("index/")));
        // Stores again what the dead session's packs hold, as no table names them.
        backup("web", Codec.NONE);
        web.disk("root").write(100_000, text(random, 500_000));
        web.disk("data").write(0, bytes(random, 20_000));
        die("web", DeadWriter.after(key -> key.startsWith("progress/")));
        // Relies on the dead session's packs, as a table names them.
        web.disk("data").write(200_000, bytes(random, 50_000));
        backup("web", Codec.LZ4);
        putCollection();
        original = lab.store().content();
        plain = new PlainRepository(original);
        assertThat(plain.segments()).hasSizeGreaterThan(100);
        assertThat(lab.store().keys("packs/")).hasSizeGreaterThan(8);
        assertThat(lab.store().keys("index/")).hasSizeGreaterThan(4);
    }

    public Lab lab() {
        return lab;
    }

    public PlainRepository plain() {
        return plain;
    }

    /** What the repository holds while nothing is damaged. */
    public Map<String, byte[]> original() {
        return original;
    }

    /** Undoes all damage, and everything else. */
    public void reset() {
        Map<String, byte[]> now = lab.store().content();
        for (String key : now.keySet()) {
            if (!original.containsKey(key)) {
                lab.store().remove(key);
            }
        }
        original.forEach((key, bytes) -> {
            if (!Arrays.equals(bytes, now.get(key))) {
                lab.store().replace(key, bytes);
            }
        });
    }

    /** What should be found. */
    public static final class Expectation {
        private final Set<String> objects = new TreeSet<>();
        private final Set<PlainRepository.PlainSegment> badSegments = new TreeSet<>();
        private final Set<String> lostPoints = new HashSet<>();

        /** These objects have to be named. */
        public Expectation named(String... keys) {
            objects.addAll(List.of(keys));
            return this;
        }

        /** These segments can not be read. */
        public Expectation withoutSegments(List<PlainRepository.PlainSegment> segments) {
            badSegments.addAll(segments);
            return this;
        }

        /** This manifest can not be read. */
        public Expectation withoutPoint(String pointKey) {
            lostPoints.add(pointKey.substring(pointKey.lastIndexOf('/') + 1));
            return this;
        }
    }

    /** Checks that verify finds just this, and that all points that are named can be restored as far as that says. */
    public void check(Expectation expected, Set<SessionId> points) {
        lab.reopen();
        VerifyReport report = lab.verify();
        assertThat(report.damage().stream().map(Damage::object).toList())
                .as("damaged objects found")
                .containsAll(expected.objects);
        if (expected.objects.isEmpty()) {
            assertThat(report.damage()).isEmpty();
        }
        checkPointsOf(report, expected);
        for (PlainRepository.PlainDisk disk : plain.disks()) {
            if (!expected.lostPoints.contains(disk.point())) {
                assertThat(ranges(report.damage(), disk))
                        .as("what verify calls damaged of disk %s of point %s", disk.disk(), disk.point())
                        .isEqualTo(plain.lost(disk, expected.badSegments));
            }
        }
        points.forEach(point -> checkRestore(point, expected));
    }

    /** The points with the worst prospects, and one other. */
    public Set<SessionId> interestingPoints(Expectation expected, Random random) {
        Set<SessionId> points = new HashSet<>();
        for (PlainRepository.PlainDisk disk : plain.disks()) {
            if (expected.lostPoints.contains(disk.point())
                    || !plain.lost(disk, expected.badSegments).isEmpty()) {
                points.add(new SessionId(disk.point()));
            }
        }
        List<SessionId> all = List.copyOf(lab.points());
        points.add(all.get(random.nextInt(all.size())));
        return points;
    }

    @Override
    public void close() {
        lab.close();
    }

    private void checkPointsOf(VerifyReport report, Expectation expected) {
        Set<String> lost = new HashSet<>();
        for (Damage damage : report.damage()) {
            assertThat(damage.disk() == null).isEqualTo(damage.extent() == null);
            if (damage.disk() == null) {
                damage.points().forEach(point -> lost.add(point.value()));
            } else {
                assertThat(damage.points()).isNotEmpty();
                assertThat(expected.objects)
                        .as("objects that data is lost with")
                        .contains(damage.object());
            }
        }
        assertThat(lab.repository().points().unreadable().stream()
                        .flatMap(damage -> damage.points().stream())
                        .map(SessionId::value))
                .as("points that the list calls unreadable")
                .containsExactlyInAnyOrderElementsOf(expected.lostPoints);
        assertThat(lost).as("points that verify calls lost").isEqualTo(expected.lostPoints);
    }

    private void checkRestore(SessionId point, Expectation expected) {
        String vm = lab.vmOf(point).value();
        if (expected.lostPoints.contains(point.value())) {
            Throwable failure = Assertions.catchThrowable(() -> lab.restore(vm, point));
            assertThat(failure).as("restore of a lost point").isInstanceOf(CorruptDataException.class);
            assertThat(lab.restoreFolder()).doesNotExist();
            return;
        }
        Map<DiskId, BitSet> lost = new HashMap<>();
        for (PlainRepository.PlainDisk disk : plain.disks()) {
            if (disk.point().equals(point.value())) {
                lost.put(new DiskId(disk.disk()), plain.lost(disk, expected.badSegments));
            }
        }
        boolean whole = lost.values().stream().allMatch(BitSet::isEmpty);
        Lab.Restored restored = lab.restore(point);
        if (whole) {
            assertThat(restored.failure()).isNull();
        } else {
            assertThat(restored.failure()).as("restore of point %s", point).isNotNull();
        }
        lab.truth(point).forEach((disk, truth) -> {
            BitSet gone = lost.get(disk);
            String what = "disk " + disk + " of point " + point;
            if (gone.isEmpty()) {
                assertThat(restored.incomplete()).as(what).doesNotContainKey(disk);
                assertSame(what, truth, restored.whole().get(disk));
            } else {
                assertThat(restored.whole()).as(what).doesNotContainKey(disk);
                byte[] found = restored.incomplete().get(disk);
                assertSame(what, blanked(truth, gone), found);
                assertThat(ranges(restored.failure().damage(), point.value(), disk.value()))
                        .as("what the restore calls damaged of %s", what)
                        .isEqualTo(gone);
                assertThat(truth).as("%s really lacks something", what).isNotEqualTo(found);
            }
        });
        if (!whole) {
            assertThat(restored.failure().damage())
                    .allMatch(damage -> damage.points().equals(List.of(point)));
        }
    }

    /** Arrays of megabytes, whose differences nobody wants to see printed. */
    private static void assertSame(String what, byte[] expected, byte[] found) {
        assertThat(found).as(what).isNotNull().hasSameSizeAs(expected);
        int at = Arrays.mismatch(expected, found);
        assertThat(at).as("first wrong byte of %s", what).isEqualTo(-1);
    }

    private byte[] blanked(byte[] truth, BitSet lost) {
        byte[] blanked = truth.clone();
        int chunk = plain.chunkSize();
        lost.stream().forEach(i -> Arrays.fill(blanked, i * chunk, Math.min(truth.length, (i + 1) * chunk), (byte) 0));
        return blanked;
    }

    private BitSet ranges(List<Damage> damage, PlainRepository.PlainDisk disk) {
        return ranges(damage, disk.point(), disk.disk());
    }

    private BitSet ranges(List<Damage> damage, String point, String disk) {
        BitSet chunks = new BitSet();
        for (Damage each : damage) {
            if (each.extent() != null
                    && each.disk().value().equals(disk)
                    && each.points().contains(new SessionId(point))) {
                assertThat(each.extent().offset() % plain.chunkSize()).isZero();
                chunks.set((int) (each.extent().offset() / plain.chunkSize()), (int)
                        ((each.extent().end() + plain.chunkSize() - 1) / plain.chunkSize()));
            }
        }
        return chunks;
    }

    private void backup(String vm, Codec codec) {
        lab.backup(BackupRequest.builder(new VmId(vm)).codec(codec).build());
    }

    private void die(String vm, DeadWriter writer) {
        lab.store().intercept(writer);
        Lab.failureOf(lab.beginBackup(vm));
        lab.store().stopIntercepting();
        assertThat(writer.isDead()).isTrue();
        lab.reopen();
    }

    private void putCollection() {
        String repository = lab.repository().id().value();
        String undecided = "a".repeat(32);
        String decided = "b".repeat(32);
        String plan = "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [], \"points\": []}";
        lab.store().replace("gc/" + undecided + ".plan", document("plan", plan.formatted(repository, undecided)));
        lab.store().replace("gc/" + decided + ".plan", document("plan", plan.formatted(repository, decided)));
        lab.store()
                .replace(
                        "gc/" + decided + ".verdict",
                        document(
                                "verdict",
                                "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"delete\": []}"
                                        .formatted(repository, decided)));
    }

    private static byte[] document(String kind, String json) {
        return PlainRepository.document(kind, json);
    }

    private static byte[] bytes(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Bytes that compress. */
    private static byte[] text(Random random, int length) {
        byte[] bytes = bytes(random, length);
        for (int i = 0; i < length; i++) {
            bytes[i] &= 15;
        }
        return bytes;
    }
}
