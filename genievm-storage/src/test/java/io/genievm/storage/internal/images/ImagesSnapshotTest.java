package io.genievm.storage.internal.images;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.storage.internal.file.Failing;
import io.genievm.storage.internal.file.Faults.Operation;
import io.genievm.storage.internal.file.FaultyFileSystem;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images that are read while nobody keeps others from writing them. */
class ImagesSnapshotTest {
    private static final VmId WEB = new VmId("web");
    private static final long TEBIBYTE = 1L << 40;

    @TempDir
    private Path directory;

    private Path image;
    private HypervisorConnection connection;

    @BeforeEach
    void makeImage() throws IOException {
        image = Files.createDirectory(directory.resolve("web")).resolve("root.raw");
        Images.write(image, Images.random(200_000));
        connection = ImagesProvider.open(directory, Clock.systemUTC());
    }

    @AfterEach
    void close() {
        connection.close();
    }

    // ---- changes while the image is read

    @Test
    void aWriteInTheMiddleIsFound() throws IOException {
        FileTime before = Files.getLastModifiedTime(image);
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            disk.confirmUnchanged();
            write(image, 1000, 1);
            assertThat(changed(disk))
                    .contains("modification time")
                    .contains("change time")
                    .doesNotContain("size");

            Files.setLastModifiedTime(image, before);
            assertThat(changed(disk)).as("with the modification time put back").contains("change time");
        }
    }

    @Test
    void aWriteRightBehindAnotherIsFound() throws IOException {
        for (int i = 0; i < 20; i++) {
            write(image, 0, i);
            try (VmSnapshot snapshot = begin()) {
                write(image, 0, -i);
                changed(snapshot.disks().get(0));
            }
        }
    }

    @Test
    void anImageWrittenAMomentAgoIsLookedAtAgainATickLater() throws IOException {
        Instant written = Files.getLastModifiedTime(image).toInstant();
        assertThat(looksAtImage(Clock.fixed(written.plusMillis(1), ZoneOffset.UTC)))
                .isEqualTo(2);
        assertThat(looksAtImage(Clock.offset(Clock.systemUTC(), Duration.ofSeconds(2))))
                .as("of an image that is older")
                .isEqualTo(1);
        assertThat(looksAtImage(Clock.fixed(Instant.EPOCH, ZoneOffset.UTC)))
                .as("by a clock that is behind")
                .isEqualTo(2);
    }

    @Test
    void anotherSizeIsFound() throws IOException {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            resize(image, 300_000);
            assertThat(disk.capacity()).isEqualTo(200_000);
            assertThat(read(disk)).as("the bytes inside the capacity").hasSize(200_000);
            assertThat(changed(disk)).contains("size");
        }
    }

    @Test
    void anImageThatBecameShorterEndsTheReading() throws IOException {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            resize(image, 100_000);

            GenieVmException failure = Failing.with(ErrorCode.SOURCE_CHANGED, () -> read(disk));

            assertThat(failure).hasMessageContaining(image.toString()).hasMessageContaining("100000");
            assertThat(failure.resource().extent()).isEqualTo(new Extent(100_000, 100_000));
        }
    }

    @Test
    void anotherFileUnderItsNameIsFound() throws IOException {
        Path other = directory.resolve("other.raw");
        Files.copy(image, other, StandardCopyOption.COPY_ATTRIBUTES);
        try (VmSnapshot snapshot = begin()) {
            Files.move(other, image, StandardCopyOption.REPLACE_EXISTING);
            assertThat(changed(snapshot.disks().get(0))).contains("inode");

            Files.delete(image);
            assertThat(changed(snapshot.disks().get(0))).contains("not there any more");
            Failing.with(ErrorCode.SOURCE_CHANGED, () -> snapshot.disks().get(0).openReader());
        }
    }

    @Test
    void readingIsNoChange() throws IOException {
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            read(disk);
            extents(disk);
            Files.readAllBytes(image);
            disk.confirmUnchanged();
        }
    }

    // ---- holes

    @Test
    void holesAreFoundInHugeImages() throws IOException {
        Path huge = image.resolveSibling("huge.raw");
        resize(huge, 4 * TEBIBYTE - 1);
        write(huge, 3 * TEBIBYTE, 1);
        write(huge, 4 * TEBIBYTE - 2, 1);
        try (VmSnapshot snapshot = begin()) {
            SnapshotDisk disk = snapshot.disks().get(0);
            assertThat(disk.id()).isEqualTo(new DiskId("huge.raw"));

            List<Extent> extents = extents(disk);

            assertThat(extents).hasSize(2);
            assertThat(extents.get(0).offset()).isEqualTo(3 * TEBIBYTE);
            assertThat(extents.get(1).end()).as("cut at the capacity").isEqualTo(4 * TEBIBYTE - 1);
            assertThat(extents.stream().mapToLong(Extent::length).sum()).isLessThan(1 << 20);
            assertThat(snapshot.facts()).isEmpty();
        }
    }

    @Test
    void extentsStayInsideTheCapacityWhateverTheFileBecomes() throws IOException {
        for (long size : new long[] {0, 50_000, 10_000_000}) {
            Files.delete(image);
            Images.write(image, Images.withHoles(3_000_000));
            try (VmSnapshot snapshot = begin();
                    ExtentCursor cursor = snapshot.disks().get(0).allocated()) {
                assertThat(cursor.next()).isTrue();
                resize(image, size);
                write(image, Math.max(0, size - 1), 1);
                long end = cursor.offset() + cursor.length();
                while (cursor.next()) {
                    assertThat(cursor.offset()).isGreaterThanOrEqualTo(end);
                    end = cursor.offset() + cursor.length();
                }
                assertThat(end).isLessThanOrEqualTo(3_000_000);
            }
        }
    }

    @Test
    void whereHolesAreNotKnownTheWholeDiskIsAllocatedAndAFactSaysSo() throws IOException {
        Images.write(image, new byte[200_000]);
        Path elsewhere = FaultyFileSystem.over(directory);
        try (HypervisorConnection other = ImagesProvider.open(elsewhere, Clock.systemUTC());
                VmSnapshot snapshot = begin(other)) {
            SnapshotDisk disk = snapshot.disks().get(0);

            assertThat(extents(disk)).containsExactly(new Extent(0, 200_000));
            assertThat(extents(disk)).containsExactly(new Extent(0, 200_000));

            assertThat(snapshot.facts()).singleElement().satisfies(fact -> {
                assertThat(fact.code()).isEqualTo(DriverFact.ALLOCATION_UNKNOWN);
                assertThat(fact.disk()).isEqualTo(disk.id());
                assertThat(fact.message()).contains(image.toString());
            });
        }
    }

    @Test
    void aCursorEndsWithItsSnapshot() {
        VmSnapshot snapshot = begin();
        ExtentCursor cursor = snapshot.disks().get(0).allocated();

        snapshot.close();

        Failing.with(ErrorCode.CLOSED, cursor::next);
        cursor.close();
    }

    // ---- begin and end

    @Test
    void anImageThatCanNotBeReadStartsNothing() throws IOException {
        Images.write(image.resolveSibling("data.raw"), Images.random(10));
        Path elsewhere = FaultyFileSystem.over(directory);
        FaultyFileSystem.inject(elsewhere, (operation, path) -> {
            if (operation == Operation.OPEN && path.endsWith("root.raw")) {
                throw new AccessDeniedException(path.toString());
            }
        });
        try (HypervisorConnection other = ImagesProvider.open(elsewhere, Clock.systemUTC())) {
            GenieVmException failure = Failing.with(ErrorCode.ACCESS_DENIED, () -> begin(other));
            assertThat(failure).hasMessageContaining(image.toString());
            assertThat(failure.resource().disk()).isEqualTo(new DiskId("root.raw"));

            SnapshotRequest without =
                    request().excludedDisks(Set.of(new DiskId("root.raw"))).build();
            other.beginSnapshot(WEB, without).close();
        }
    }

    @Test
    void anExcludedDiskThatIsNoneIsNamedWithThoseThatAre() {
        SnapshotRequest request = request()
                .excludedDisks(Set.of(new DiskId("root.raw"), new DiskId("boot.raw")))
                .build();

        assertThat(Failing.with(ErrorCode.NOT_FOUND, () -> connection.beginSnapshot(WEB, request)))
                .hasMessageContaining("'boot.raw'")
                .hasMessageContaining("[root.raw]");
    }

    @Test
    void aSnapshotEndsOnce() {
        try (VmSnapshot snapshot = begin()) {
            snapshot.committed();
            assertThatThrownBy(snapshot::abandoned).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(snapshot::committed).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void aRangeOutsideTheDiskIsRefused() {
        try (VmSnapshot snapshot = begin();
                DiskReader reader = snapshot.disks().get(0).openReader()) {
            for (long offset : new long[] {-1, 199_999, 200_000, Long.MAX_VALUE}) {
                assertThatThrownBy(() -> reader.read(offset, ByteBuffer.allocateDirect(2)))
                        .isInstanceOf(IllegalArgumentException.class);
            }
        }
    }

    private VmSnapshot begin() {
        return begin(connection);
    }

    private static VmSnapshot begin(HypervisorConnection connection) {
        return connection.beginSnapshot(WEB, request().build());
    }

    private static SnapshotRequest.Builder request() {
        return SnapshotRequest.builder(new RepositoryId("0".repeat(32)), new SessionId("1".repeat(32)));
    }

    /** Counts the looks at the image's state when a snapshot begins, which are those after it was opened. */
    private int looksAtImage(Clock clock) {
        AtomicInteger looks = new AtomicInteger();
        Path watched = FaultyFileSystem.over(directory);
        FaultyFileSystem.inject(watched, (operation, path) -> {
            if (path.equals(image)) {
                looks.set(operation == Operation.LOOK ? looks.get() + 1 : 0);
            }
        });
        try (HypervisorConnection other = ImagesProvider.open(watched, clock);
                VmSnapshot snapshot = begin(other)) {
            assertThat(snapshot.disks()).hasSize(1);
            return looks.get();
        }
    }

    private static String changed(SnapshotDisk disk) {
        GenieVmException failure = Failing.with(ErrorCode.SOURCE_CHANGED, disk::confirmUnchanged);
        assertThat(failure.resource().disk()).isEqualTo(disk.id());
        return failure.getMessage();
    }

    private static List<Extent> extents(SnapshotDisk disk) {
        List<Extent> extents = new ArrayList<>();
        try (ExtentCursor cursor = disk.allocated()) {
            while (cursor.next()) {
                extents.add(new Extent(cursor.offset(), cursor.length()));
            }
        }
        return extents;
    }

    private static byte[] read(SnapshotDisk disk) {
        ByteBuffer buffer = ByteBuffer.allocateDirect((int) disk.capacity());
        try (DiskReader reader = disk.openReader()) {
            reader.read(0, buffer);
        }
        byte[] bytes = new byte[buffer.flip().remaining()];
        buffer.get(bytes);
        return bytes;
    }

    private static void write(Path file, long offset, int value) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.seek(offset);
            open.write(value);
        }
    }

    private static void resize(Path file, long size) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(size);
        }
    }
}
