package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.CorruptDataException;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.InterceptedStore.Kind;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.PlainRepository;
import io.genievm.core.testing.PlainRepository.PlainSegment;
import io.genievm.core.testing.Seeds;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryVm;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Points compared by their chunk maps, against the bytes of their disks. */
class DiffTest {
    private static final int CHUNK = Lab.SMALL.chunkSize();

    private final Lab lab = new Lab();
    private final InterceptedStore store = lab.store();

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName(
            "random histories: writes, zeroes, growth, shrinkage, disks that come and go; every pair of points, both ways")
    void randomHistories() {
        Seeds.run(DiffTest.class, "randomHistories", 12, random -> {
            try (Lab own = new Lab()) {
                InMemoryVm vm = own.hypervisor().addVm("web");
                vm.addDisk("a", size(random));
                vm.addDisk("b", size(random));
                for (int i = 0; i < 5; i++) {
                    mutate(vm, random);
                    own.backup("web");
                }
                List<SessionId> points = List.copyOf(own.points());
                for (SessionId from : points) {
                    for (SessionId to : points) {
                        assertDiff(own, from, to);
                    }
                }
            }
        });
    }

    @Test
    @DisplayName("ranges are merged over the borders of pages, do not touch, and end with the greater disk")
    void ranges() {
        // Three pages of the lowest level and a bit.
        int size = 3 * 1024 * CHUNK + 777;
        InMemoryDisk disk = lab.hypervisor().addVm("web").addDisk("root", size);
        SessionId empty = lab.backup("web").point();
        disk.write(1024 * CHUNK - 3 * CHUNK + 5, Lab.random(1, 5 * CHUNK));
        disk.write(1024L * CHUNK + 10L * CHUNK, Lab.random(2, 1));
        disk.write(size - 1, Lab.random(3, 1));
        SessionId written = lab.backup("web").point();

        List<Extent> expected = List.of(
                new Extent((1024 - 3) * ((long) CHUNK), 6L * CHUNK),
                new Extent((1024 + 10) * ((long) CHUNK), CHUNK),
                new Extent(3 * 1024 * ((long) CHUNK), 777));
        assertThat(extents(empty, written)).isEqualTo(expected);
        assertThat(extents(written, empty)).isEqualTo(expected);

        disk.resize(size + 100);
        SessionId grown = lab.backup("web").point();
        assertThat(extents(written, grown)).isEmpty();
        disk.resize(size - 777);
        SessionId shrunk = lab.backup("web").point();
        assertThat(extents(grown, shrunk)).containsExactly(new Extent(3 * 1024 * ((long) CHUNK), 877));
        assertThat(extents(shrunk, grown)).containsExactly(new Extent(3 * 1024 * ((long) CHUNK), 877));
    }

    @Test
    @DisplayName("the same point, or points of equal disks: nothing differs and nothing is read")
    void identical() {
        lab.addVm("web", 5_000_000);
        SessionId first = lab.backup("web").point();
        SessionId second = lab.backup("web").point();
        for (SessionId to : List.of(first, second)) {
            try (PointDiff diff = lab.repository().diff(first, to)) {
                store.forgetLog();
                assertThat(diff.from()).isEqualTo(first);
                assertThat(diff.to()).isEqualTo(to);
                assertThat(diff.disks()).hasSize(1);
                assertThat(extents(diff.disks().get(0))).isEmpty();
                assertThat(diff.readBytes()).isZero();
                assertThat(store.log()).isEmpty();
            }
        }
    }

    @Test
    @DisplayName("disks that only one point has differ where they are not zero, and are told in order")
    void disksOfOnePoint() {
        InMemoryVm vm = lab.hypervisor().addVm("web");
        vm.addDisk("z", 100_000).write(50_000, Lab.random(1, 10));
        vm.addDisk("gone", 200_000).write(100_000, Lab.random(1, 10));
        vm.addDisk("none", 0);
        SessionId first = lab.backup("web").point();
        vm.removeDisk("gone");
        vm.addDisk("come", 300_000).write(299_999, Lab.random(1, 1));
        vm.addDisk("zeroes", 6_000_000);
        SessionId second = lab.backup("web").point();

        try (PointDiff diff = lab.repository().diff(first, second)) {
            assertThat(diff.disks())
                    .extracting(disk -> disk.id().value())
                    .containsExactly("come", "gone", "none", "z", "zeroes");
            assertThat(diff.disks())
                    .extracting(PointDiff.Disk::fromCapacity)
                    .containsExactly(null, 200_000L, 0L, 100_000L, null);
            assertThat(diff.disks())
                    .extracting(PointDiff.Disk::toCapacity)
                    .containsExactly(300_000L, null, 0L, 100_000L, 6_000_000L);
            assertThat(extents(diff.disks().get(0))).containsExactly(new Extent(73L * CHUNK, 300_000 - 73L * CHUNK));
            assertThat(extents(diff.disks().get(1))).containsExactly(new Extent(24L * CHUNK, CHUNK));
            for (int same : new int[] {2, 3, 4}) {
                assertThat(extents(diff.disks().get(same))).isEmpty();
            }
        }
    }

    @Test
    @DisplayName("4 TiB with few changes: as many pages are read as have changed")
    void huge() {
        long size = 4L << 40;
        try (Lab own = new Lab(new RepositoryOptions(65_536, 1 << 20, 32 << 20))) {
            InMemoryDisk disk = own.hypervisor().addVm("web").addDisk("root", size);
            for (int i = 0; i < 200; i++) {
                disk.write(i * (size / 200), Lab.random(i, 100));
            }
            SessionId first = backup(own);
            disk.write(size / 2, Lab.random(-1, 200_000));
            disk.write(size - 1, Lab.random(-2, 1));
            SessionId second = backup(own);
            own.store().forgetLog();
            try (PointDiff diff = own.repository().diff(first, second)) {
                own.store().forgetLog();

                assertThat(extents(diff.disks().get(0)))
                        .containsExactly(new Extent(size / 2, 4 * 65_536), new Extent(size - 65_536, 65_536));

                // What the second has stored; and of the first one segment, with all its pages.
                assertThat(own.store().log(Kind.GET)).hasSize(2);
                assertThat(diff.readBytes()).isEqualTo(pageBytes(own));
                long read = diff.readBytes();
                assertThat(extents(diff.disks().get(0))).hasSize(2);
                assertThat(diff.readBytes()).as("read once").isEqualTo(read);
            }
            disk.resize(size / 4096);
            SessionId shrunk = backup(own);
            try (PointDiff diff = own.repository().diff(shrunk, first)) {
                // One is a level less high; the first 200 / 4096 is one write at the beginning.
                assertThat(extents(diff.disks().get(0)))
                        .hasSize(199)
                        .first()
                        .satisfies(extent -> assertThat(extent.offset()).isEqualTo(size / 200 / 65_536 * 65_536));
            }
        }
    }

    @Test
    @DisplayName("a damaged page: what is before it is told, then the object is named, for ever; other disks go on")
    void damagedPage() {
        InMemoryVm vm = lab.hypervisor().addVm("web");
        InMemoryDisk root = vm.addDisk("a", 5_000_000);
        vm.addDisk("b", 10_000).write(0, Lab.random(3, 10));
        SessionId first = lab.backup("web").point();
        root.write(0, Lab.random(1, 10));
        SessionId second = lab.backup("web").point();
        root.write(4_500_000, Lab.random(2, 10));
        SessionId third = lab.backup("web").point();
        PlainSegment pages = new PlainRepository(store.content())
                .segments().stream()
                        .filter(segment -> segment.type() == 2 && segment.pack().contains(third.value()))
                        .findFirst()
                        .orElseThrow();
        flip(pages.pack(), pages.end() - 1);

        try (PointDiff diff = lab.repository().diff(first, second)) {
            assertThat(extents(diff.disks().get(0))).containsExactly(new Extent(0, CHUNK));
        }
        try (PointDiff diff = lab.repository().diff(second, third)) {
            ExtentCursor cursor = diff.disks().get(0).extents();
            for (int i = 0; i < 2; i++) {
                CorruptDataException failure = catchThrowableOfType(CorruptDataException.class, cursor::next);
                assertThat(failure.resource().name()).isEqualTo(pages.pack());
                assertThat(failure).hasMessageContaining(pages.pack());
                assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
            }
            assertThat(extents(diff.disks().get(1))).isEmpty();
        }
    }

    @Test
    @DisplayName("what differs before a damaged page is told first, also where a range would go on in it")
    void damagedLater() {
        InMemoryDisk root = lab.hypervisor().addVm("web").addDisk("root", 8_000_000);
        root.write(1024L * CHUNK, Lab.random(2, 10));
        lab.backup("web");
        root.write(1024 * CHUNK - 10, Lab.random(1, 10));
        SessionId damaged = lab.backup("web").point();
        root.write(1024 * CHUNK - 10, new byte[20]);
        SessionId empty = lab.backup("web").point();
        // The page of the second 4 MiB is in the first point's pack, those of the first 4 MiB and above in the
        // second's.
        String pack = new PlainRepository(store.content())
                .segments().stream()
                        .filter(segment -> segment.type() == 2
                                && !segment.pack().contains(damaged.value())
                                && !segment.pack().contains(empty.value()))
                        .findFirst()
                        .orElseThrow()
                        .pack();
        store.remove(pack);

        try (PointDiff diff = lab.repository().diff(empty, damaged);
                ExtentCursor cursor = diff.disks().get(0).extents()) {
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.offset()).isEqualTo(1023L * CHUNK);
            assertThat(cursor.length()).isEqualTo(CHUNK);
            CorruptDataException failure = catchThrowableOfType(CorruptDataException.class, cursor::next);
            assertThat(failure.resource().name()).isEqualTo(pack);
        }
    }

    @Test
    @DisplayName("unknown points, points of two VMs, points that can not be read")
    void wrongPoints() {
        lab.addVm("web", 10_000);
        lab.addVm("db", 10_000);
        SessionId web = lab.backup("web").point();
        SessionId db = lab.backup("db").point();
        SessionId unknown = new SessionId("e".repeat(32));

        assertThat(failureOf(web, unknown).code()).isEqualTo(ErrorCode.NOT_FOUND);
        assertThat(failureOf(unknown, web).code()).isEqualTo(ErrorCode.NOT_FOUND);
        assertThat(failureOf(web, db)).satisfies(failure -> {
            assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT);
            assertThat(failure).hasMessageContainingAll("web", "db", web.value(), db.value());
        });
        String manifest = store.keys("points/").stream()
                .filter(key -> key.endsWith(web.value()))
                .findFirst()
                .orElseThrow();
        flip(manifest, 50);
        assertThat(failureOf(web, web)).satisfies(failure -> {
            assertThat(failure.code()).isEqualTo(ErrorCode.CORRUPT_DATA);
            assertThat(failure.resource().name()).isEqualTo(manifest);
        });
        store.remove(manifest);
        assertThat(failureOf(web, web).code()).isEqualTo(ErrorCode.CORRUPT_DATA);
    }

    @Test
    @DisplayName(
            "without index tables the packs tell where pages are; a point that is deleted meanwhile stays comparable")
    void withoutTables() {
        lab.addVm("web", 5_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 10);
        SessionId second = lab.backup("web").point();
        store.keys("index/").forEach(store::remove);
        try (PointDiff diff = lab.repository().diff(first, second)) {
            lab.repository().delete(first);
            assertThat(extents(diff.disks().get(0))).containsExactly(new Extent(0, CHUNK));
        }
        assertThat(failureOf(first, second).code()).isEqualTo(ErrorCode.NOT_FOUND);
    }

    @Test
    @DisplayName("a point whose pages were collected meanwhile is gone, not damaged")
    void collectedMeanwhile() {
        lab.addVm("web", 5_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 10);
        SessionId second = lab.backup("web").point();
        try (PointDiff diff = lab.repository().diff(first, second)) {
            lab.repository().delete(first);
            store.keys("packs/").stream()
                    .filter(key -> key.contains(first.value()))
                    .forEach(store::remove);
            assertThat(catchThrowableOfType(
                                    GenieVmException.class,
                                    () -> extents(diff.disks().get(0)))
                            .code())
                    .isEqualTo(ErrorCode.NOT_FOUND);
        }
    }

    @Test
    @DisplayName("pages that a collector moves meanwhile are found by reading the index anew")
    void movedMeanwhile() {
        lab.addVm("web", 5_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 10);
        SessionId second = lab.backup("web").point();
        Map<String, byte[]> old = store.content();
        List<String> packs = store.keys("packs/");
        String plan = "{\"format\": 1, \"repository\": \"%s\", \"plan\": \"%s\", \"condemned\": [%s], \"points\": []}"
                .formatted(
                        lab.repository().id(),
                        "a".repeat(32),
                        String.join(
                                ", ",
                                packs.stream().map(pack -> "\"" + pack + "\"").toList()));
        store.replace("gc/" + "a".repeat(32) + ".plan", PlainRepository.document("plan", plan));
        lab.backup("web");
        store.keys("gc/").forEach(store::remove);
        Map<String, byte[]> moved = store.content();
        // The third point has a copy of what the second needs.
        store.reset(old);
        try (PointDiff diff = lab.repository().diff(second, second)) {
            assertThat(extents(diff.disks().get(0))).isEmpty();
        }
        try (PointDiff diff = lab.repository().diff(first, second)) {
            moved.forEach(store::replace);
            packs.stream().filter(key -> key.contains(second.value())).forEach(store::remove);
            assertThat(extents(diff.disks().get(0))).containsExactly(new Extent(0, CHUNK));
            assertThat(diff.readBytes()).isPositive();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"cursor", "comparison", "repository", "genie"})
    @DisplayName("after closing, cursors fail with CLOSED; closing twice does nothing")
    void closed(String what) {
        lab.addVm("web", 10_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 10);
        SessionId second = lab.backup("web").point();
        PointDiff diff = lab.repository().diff(first, second);
        ExtentCursor cursor = diff.disks().get(0).extents();
        assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
        assertThat(cursor.next()).isTrue();

        switch (what) {
            case "cursor" -> cursor.close();
            case "comparison" -> diff.close();
            case "repository" -> lab.repository().close();
            default -> lab.genie().close();
        }

        assertThat(codeOf(cursor::next)).isEqualTo(ErrorCode.CLOSED);
        if (!what.equals("cursor")) {
            assertThat(codeOf(() -> diff.disks().get(0).extents().next())).isEqualTo(ErrorCode.CLOSED);
        }
        cursor.close();
        diff.close();
        diff.close();
        assertThat(diff.readBytes()).isPositive();
        lab.repository().close();
        assertThat(failureOf(first, second).code()).isEqualTo(ErrorCode.CLOSED);
    }

    @Test
    @DisplayName("closing the repository waits for the page that is being read, and the cursor fails then")
    void closedWhileReading() throws InterruptedException {
        lab.addVm("web", 12_000_000);
        SessionId first = lab.backup("web").point();
        lab.change("web", 1, 9_000_000);
        SessionId second = lab.backup("web").point();
        PointDiff diff = lab.repository().diff(first, second);
        ExtentCursor cursor = diff.disks().get(0).extents();
        CountDownLatch reading = new CountDownLatch(1);
        Thread closer = new Thread(() -> lab.repository().close());
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                reading.countDown();
                // Goes on only when the other thread is known to wait for this one's lock, or has closed what it could.
                while (closer.getState() == Thread.State.NEW || closer.getState() == Thread.State.RUNNABLE) {
                    Thread.onSpinWait();
                }
                objects.get(key, offset, target);
            }
        });
        Thread starter = new Thread(() -> {
            try {
                reading.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            closer.start();
        });
        starter.start();

        assertThat(codeOf(cursor::next)).isEqualTo(ErrorCode.CLOSED);

        starter.join(60_000);
        closer.join(60_000);
        assertThat(closer.isAlive()).isFalse();
    }

    @Test
    @DisplayName("closing the repository while the index is read fails the comparison with CLOSED")
    void closedWhileOpening() {
        lab.addVm("web", 10_000);
        SessionId point = lab.backup("web").point();
        store.intercept(new InterceptedStore.Interceptor() {
            @Override
            public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
                if (key.startsWith("index/")) {
                    lab.repository().close();
                }
                objects.get(key, offset, target);
            }
        });
        assertThat(failureOf(point, point).code()).isEqualTo(ErrorCode.CLOSED);
    }

    private static SessionId backup(Lab lab) {
        return Lab.await(lab.beginBackup("web")).point();
    }

    /** All bytes of segments of pages. */
    private static long pageBytes(Lab lab) {
        long bytes = 0;
        for (String pack : lab.store().keys("packs/")) {
            byte[] content = lab.store().bytes(pack);
            ByteBuffer buffer = ByteBuffer.wrap(content);
            int at = 56;
            while (buffer.getInt(at) == 0x47534547) {
                int length = 28 + 36 * (buffer.getShort(at + 6) & 0xffff) + buffer.getInt(at + 12);
                bytes += buffer.get(at + 4) == 2 ? length : 0;
                at += length;
            }
        }
        return bytes;
    }

    private static int size(Random random) {
        return switch (random.nextInt(6)) {
            case 0 -> 0;
            case 1 -> 1 + random.nextInt(CHUNK);
            case 2 -> CHUNK * random.nextInt(100);
            // About the border between one level of map and two.
            case 3 -> 1024 * CHUNK + random.nextInt(3 * CHUNK) - CHUNK;
            default -> random.nextInt(10_000_000);
        };
    }

    private static void mutate(InMemoryVm vm, Random random) {
        if (random.nextInt(4) == 0) {
            String disk = random.nextBoolean() ? "c" : "d";
            if (vm.disks().stream().anyMatch(each -> each.id().value().equals(disk))) {
                vm.removeDisk(disk);
            } else {
                vm.addDisk(disk, size(random));
            }
        }
        for (InMemoryDisk disk : vm.disks()) {
            if (random.nextInt(4) == 0) {
                disk.resize(size(random));
            }
            for (int i = random.nextInt(6); i > 0 && disk.capacity() > 0; i--) {
                long offset = (long) (random.nextDouble() * disk.capacity());
                int length = (int) Math.min(disk.capacity() - offset, 1 + random.nextInt(1 << random.nextInt(22)));
                if (random.nextInt(3) == 0) {
                    disk.write(offset, new byte[length]);
                } else {
                    disk.write(offset, Lab.random(random.nextInt(3), length));
                }
            }
        }
    }

    private static void assertDiff(Lab lab, SessionId from, SessionId to) {
        Map<DiskId, byte[]> before = lab.truth(from);
        Map<DiskId, byte[]> after = lab.truth(to);
        TreeSet<String> ids = new TreeSet<>();
        before.keySet().forEach(disk -> ids.add(disk.value()));
        after.keySet().forEach(disk -> ids.add(disk.value()));
        try (PointDiff diff = lab.repository().diff(from, to)) {
            assertThat(diff.disks()).extracting(disk -> disk.id().value()).containsExactlyElementsOf(ids);
            for (PointDiff.Disk disk : diff.disks()) {
                byte[] old = before.get(disk.id());
                byte[] now = after.get(disk.id());
                assertThat(disk.fromCapacity()).isEqualTo(old == null ? null : Long.valueOf(old.length));
                assertThat(disk.toCapacity()).isEqualTo(now == null ? null : Long.valueOf(now.length));
                assertThat(extents(disk)).isEqualTo(differences(old, now));
            }
        }
    }

    /** Byte by byte, in chunks. */
    private static List<Extent> differences(byte @Nullable [] before, byte @Nullable [] after) {
        byte[] one = before == null ? new byte[0] : before;
        byte[] other = after == null ? new byte[0] : after;
        int length = Math.max(one.length, other.length);
        byte[] padded = Arrays.copyOf(one, length);
        byte[] otherPadded = Arrays.copyOf(other, length);
        List<Extent> extents = new ArrayList<>();
        int start = -1;
        for (int at = 0; at < length + CHUNK; at += CHUNK) {
            int end = Math.min(at + CHUNK, length);
            boolean differs = at < length && !Arrays.equals(padded, at, end, otherPadded, at, end);
            if (differs && start < 0) {
                start = at;
            } else if (!differs && start >= 0) {
                extents.add(new Extent(start, Math.min(at, length) - start));
                start = -1;
            }
        }
        return extents;
    }

    private List<Extent> extents(SessionId from, SessionId to) {
        try (PointDiff diff = lab.repository().diff(from, to)) {
            assertThat(diff.disks()).hasSize(1);
            return extents(diff.disks().get(0));
        }
    }

    private static List<Extent> extents(PointDiff.Disk disk) {
        List<Extent> extents = new ArrayList<>();
        try (ExtentCursor cursor = disk.extents()) {
            while (cursor.next()) {
                extents.add(new Extent(cursor.offset(), cursor.length()));
            }
            assertThat(cursor.next()).isFalse();
            return extents;
        }
    }

    private GenieVmException failureOf(SessionId from, SessionId to) {
        return catchThrowableOfType(
                GenieVmException.class, () -> lab.repository().diff(from, to));
    }

    private static ErrorCode codeOf(Runnable action) {
        return catchThrowableOfType(GenieVmException.class, action::run).code();
    }

    private void flip(String key, int at) {
        byte[] bytes = store.bytes(key);
        bytes[at] ^= 1;
        store.replace(key, bytes);
    }
}
