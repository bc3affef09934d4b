package io.genievm.core.internal.verify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.groups.Tuple.tuple;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.core.Damage;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.testing.DeadWriter;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What verify looks at when it is asked for a point or for the structure only, and how it says what it finds. */
class VerifyTest {
    private static final DiskId ROOT = new DiskId("root");

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("a whole repository: nothing found, every pack read, nothing written")
    void whole() {
        lab.addVm("web", 2_500_000);
        lab.addVm("db", 700_000);
        lab.backup("web");
        lab.backup("db");
        store.forgetLog();

        VerifyReport report = lab.verify();

        assertThat(report.isOk()).isTrue();
        assertThat(report.warnings()).isEmpty();
        assertThat(store.log(Kind.GET)).containsAll(store.keys("packs/"));
        assertThat(report.checkedBytes()).isGreaterThan(3_200_000);
        assertThat(store.log(Kind.PUT)).isEmpty();
    }

    @Test
    @DisplayName("an empty repository is whole")
    void empty() {
        assertThat(lab.verify().isOk()).isTrue();
    }

    @Test
    @DisplayName("one damaged segment: every point and VM that needs it, each disk and range, neighbours in one")
    void sharedDamage() {
        lab.addVm("web", 500_000);
        SessionId first = lab.backup("web").point();
        lab.hypervisor().vm("web").disk("root").write(200_000, new byte[1]);
        SessionId second = lab.backup("web").point();
        lab.hypervisor()
                .addVm("db")
                .addDisk("copy", 600_000)
                .write(65_536, lab.hypervisor().vm("web").disk("root").read(0, 32_768));
        SessionId third = lab.backup("db").point();
        PlainSegment segment = segmentOf("web", 0);
        flip(segment.pack(), segment.end() - 1);

        VerifyReport report = lab.verify();

        int length = segment.ids().size() * Lab.SMALL.chunkSize();
        assertThat(report.damage())
                .extracting(Damage::object, Damage::points, Damage::disk, Damage::extent)
                .containsExactlyInAnyOrder(
                        tuple(segment.pack(), List.of(third), new DiskId("copy"), new Extent(65_536, length)),
                        tuple(segment.pack(), List.of(first, second), ROOT, new Extent(0, length)));
        assertThat(report.damage()).allMatch(damage -> damage.message().contains(segment.pack()));
    }

    @Test
    @DisplayName("verify of a point: what it needs, and nothing else")
    void onePoint() {
        lab.addVm("web", 500_000);
        lab.addVm("db", 500_000);
        SessionId web = lab.backup("web").point();
        SessionId db = lab.backup("db").point();
        PlainSegment segment = segmentOf("web", 0);
        flip(segment.pack(), segment.end() - 1);
        store.forgetLog();

        VerifyReport other = lab.verify(new VerifyRequest(db, false));

        assertThat(other.isOk()).isTrue();
        assertThat(other.checkedBytes()).isBetween(500_000L, 600_000L);
        assertThat(store.log(Kind.GET)).noneMatch(key -> key.equals(segment.pack()));
        VerifyReport own = lab.verify(new VerifyRequest(web, false));
        assertThat(own.damage()).singleElement().satisfies(damage -> {
            assertThat(damage.object()).isEqualTo(segment.pack());
            assertThat(damage.points()).containsExactly(web);
            assertThat(damage.disk()).isEqualTo(ROOT);
        });
    }

    @Test
    @DisplayName("verify of a point that is not there is NOT_FOUND; of one whose manifest is damaged, damage")
    void unknownPoint() {
        lab.addVm("web", 10_000);
        SessionId point = lab.backup("web").point();
        SessionId unknown = new SessionId("e".repeat(32));

        for (boolean structure : new boolean[] {false, true}) {
            assertThat(catchThrowableOfType(
                                    GenieVmException.class, () -> lab.verify(new VerifyRequest(unknown, structure)))
                            .code())
                    .isEqualTo(ErrorCode.NOT_FOUND);
        }
        String manifest = store.keys("points/").get(0);
        flip(manifest, 50);
        for (boolean structure : new boolean[] {false, true}) {
            assertThat(lab.verify(new VerifyRequest(point, structure)).damage())
                    .singleElement()
                    .satisfies(damage -> {
                        assertThat(damage.object()).isEqualTo(manifest);
                        assertThat(damage.points()).containsExactly(point);
                    });
        }
    }

    @Test
    @DisplayName("structure only: maps are read, data is not; what is missing is found, what is flipped in data is not")
    void structure() {
        lab.addVm("web", 3_000_000);
        SessionId point = lab.backup("web").point();
        PlainSegment data = segmentOf("web", 3);
        flip(data.pack(), data.end() - 1);
        store.forgetLog();

        assertThat(lab.verify(new VerifyRequest(null, true)).isOk()).isTrue();
        assertThat(lab.verify(new VerifyRequest(point, true)).isOk()).isTrue();

        long pages = new PlainRepository(store.content())
                .segments().stream().filter(segment -> segment.type() == 2).count();
        assertThat(store.log(Kind.GET).stream()
                        .filter(key -> key.startsWith("packs/"))
                        .count())
                .isEqualTo(2 * pages);
        assertThat(lab.verify().isOk()).isFalse();

        store.remove(data.pack());
        for (VerifyRequest request : List.of(new VerifyRequest(null, true), new VerifyRequest(point, true))) {
            assertThat(lab.verify(request).damage()).isNotEmpty().allSatisfy(damage -> {
                assertThat(damage.object()).isEqualTo(data.pack());
                assertThat(damage.points()).containsExactly(point);
                assertThat(damage.extent()).isNotNull();
            });
        }
    }

    @Test
    @DisplayName("structure only: a damaged map page loses the whole range that it is the map of")
    void structureOfMaps() {
        // Two pages of the lowest level: 4 MiB each.
        lab.addVm("web", 5_000_000);
        SessionId point = lab.backup("web").point();
        PlainSegment pages = new PlainRepository(store.content())
                .segments().stream()
                        .filter(segment -> segment.type() == 2)
                        .findFirst()
                        .orElseThrow();
        flip(pages.pack(), pages.end() - 1);

        for (VerifyRequest request : List.of(
                VerifyRequest.EVERYTHING,
                new VerifyRequest(null, true),
                new VerifyRequest(point, true),
                new VerifyRequest(point, false))) {
            assertThat(lab.verify(request).damage()).singleElement().satisfies(damage -> {
                assertThat(damage.object()).isEqualTo(pages.pack());
                assertThat(damage.disk()).isEqualTo(ROOT);
                assertThat(damage.extent()).isEqualTo(new Extent(0, 5_000_000));
            });
        }
    }

    @Test
    @DisplayName("structure only: damaged index tables, witnesses and sessions are found")
    void structureOfObjects() {
        lab.addVm("web", 100_000);
        lab.backup("web");
        lab.change("web", 1, 50_000);
        lab.failingBackup("web", DeadWriter.after(key -> key.startsWith("progress/")));
        lab.reopen();
        for (String prefix : List.of("index/", "witness/", "sessions/", "repository")) {
            String key = store.keys(prefix).get(0);
            byte[] bytes = store.bytes(key);
            flip(key, bytes.length / 2);
            assertThat(lab.verify(new VerifyRequest(null, true)).damage())
                    .extracting(Damage::object)
                    .containsExactly(key);
            store.replace(key, bytes);
        }
    }

    @Test
    @DisplayName("incidents: their bytes are checked, and one that can be read is no damage; one that can not is, once")
    void incidents() {
        lab.addVm("web", 100_000);
        lab.backup("web");
        long without = lab.verify().checkedBytes();
        VmId vm = new VmId("web");
        byte[] bytes = new Incident(
                        lab.repository().id(),
                        new SessionId("a".repeat(32)),
                        vm,
                        ROOT,
                        Instant.EPOCH,
                        null,
                        List.of(new SessionId("b".repeat(32))),
                        List.of(new Extent(0, 4096)))
                .encode();
        String key = ObjectKeys.incidents(vm) + "c".repeat(32);
        store.replace(key, bytes);

        VerifyReport report = lab.verify();

        assertThat(report.damage()).isEmpty();
        assertThat(report.warnings()).isEmpty();
        assertThat(report.checkedBytes()).isEqualTo(without + bytes.length);
        flip(key, 10);
        assertThat(lab.verify().damage()).extracting(Damage::object).containsExactly(key);
    }

    @Test
    @DisplayName("damage in a pack that no point needs is told without points")
    void orphans() {
        lab.addVm("web", 700_000);
        lab.failingBackup("web", DeadWriter.after(key -> key.startsWith("progress/")));
        lab.reopen();
        String named = store.keys("packs/").get(0);
        lab.addVm("db", 700_000);
        lab.failingBackup("db", DeadWriter.before(key -> key.startsWith("index/")));
        lab.reopen();
        List<String> packs = store.keys("packs/");
        assertThat(packs).hasSize(2).contains(named);
        packs.forEach(pack -> flip(pack, 5000));

        assertThat(lab.verify().damage())
                .hasSize(2)
                .allMatch(damage -> damage.points().isEmpty() && damage.disk() == null && damage.extent() == null)
                .extracting(Damage::object)
                .containsExactlyInAnyOrderElementsOf(packs);
        assertThat(lab.verify(new VerifyRequest(null, true)).isOk()).isTrue();
    }

    @Test
    @DisplayName("a repository whose packs are all gone: every point, disk and range, and verify ends")
    void nothingLeft() {
        lab.addVm("web", 700_000);
        SessionId point = lab.backup("web").point();
        store.keys("packs/").forEach(store::remove);

        assertThat(lab.verify().damage())
                .singleElement()
                .satisfies(damage -> assertThat(damage.extent()).isEqualTo(new Extent(0, 700_000)));
        store.keys("index/").forEach(store::remove);
        assertThat(lab.verify().damage()).singleElement().satisfies(damage -> {
            assertThat(damage.object()).startsWith("index/");
            assertThat(damage.points()).containsExactly(point);
            assertThat(damage.extent()).isEqualTo(new Extent(0, 700_000));
        });
        Lab.Restored restored = lab.restore(point);
        assertThat(restored.failure()).isNotNull();
        assertThat(restored.incomplete().get(ROOT)).containsOnly(0);
    }

    @Test
    @DisplayName("a disk that holds packs of a repository confuses nobody who looks for segments in a damaged pack")
    void repositoryInRepository() {
        byte[] inner;
        try (Lab other = new Lab()) {
            other.addVm("inner", 300_000);
            other.backup("inner");
            inner = other.store().bytes(other.store().keys("packs/").get(0));
        }
        lab.hypervisor().addVm("web").addDisk("root", inner);
        SessionId point = lab.backup("web").point();
        PlainRepository plain = new PlainRepository(store.content());
        PlainSegment damaged = segmentOf("web", 2);
        // The header of a segment, and the footer, so that segments have to be looked for.
        flip(damaged.pack(), damaged.offset() + 30);
        flip(damaged.pack(), store.bytes(damaged.pack()).length - 60);
        assertThat(plain.segments(damaged.pack())).hasSizeGreaterThan(5);

        int length = damaged.ids().size() * Lab.SMALL.chunkSize();
        Extent lost = new Extent(2L * 32_768, length);
        assertThat(lab.verify().damage())
                .singleElement()
                .satisfies(damage -> assertThat(damage.extent()).isEqualTo(lost));
        store.keys("index/").forEach(store::remove);
        Lab.Restored restored = lab.restore(point);
        assertThat(restored.failure().damage())
                .singleElement()
                .satisfies(damage -> assertThat(damage.extent()).isEqualTo(lost));
        byte[] expected = inner.clone();
        Arrays.fill(expected, (int) lost.offset(), (int) lost.end(), (byte) 0);
        assertThat(Arrays.mismatch(restored.incomplete().get(ROOT), expected)).isEqualTo(-1);
    }

    /** The segment that holds the so-many-th run of chunks of the first disk of a VM. */
    private PlainSegment segmentOf(String vm, int run) {
        PlainRepository plain = new PlainRepository(store.content());
        PlainRepository.PlainDisk disk = plain.disks().stream()
                .filter(each -> each.vm().equals(vm))
                .findFirst()
                .orElseThrow();
        String id = disk.chunks()[run * 8];
        return plain.segments().stream()
                .filter(segment -> segment.ids().get(0).equals(id))
                .findFirst()
                .orElseThrow();
    }

    private void flip(String key, int at) {
        byte[] bytes = store.bytes(key);
        bytes[at] ^= 1;
        store.replace(key, bytes);
    }
}
