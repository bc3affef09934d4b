package io.genievm.testkit;

import static io.genievm.testkit.Failures.assertFails;
import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** What the disks of a snapshot and their readers have to keep. For one test. */
final class ReadingRules {
    private final DriverUnderTest driver;

    ReadingRules(DriverUnderTest driver) {
        this.driver = driver;
    }

    void allocatedExtentsKeepTheRules() {
        try (VmSnapshot snapshot = driver.begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                assertThat(Disks.extents(disk.allocated(), disk.capacity())).isEqualTo(extents);
            }
            snapshot.abandoned();
        }
    }

    void whatIsNotAllocatedIsZero() {
        try (VmSnapshot snapshot = driver.begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                List<Extent> extents = Disks.extents(disk.allocated(), disk.capacity());
                assertThat(zeroOutside(extents, driver.bytes(disk)))
                        .as("disk '%s' through its allocated extents", disk.id())
                        .isEqualTo(driver.bytes(disk));
                assertThat(Disks.read(disk, extents)).isEqualTo(driver.bytes(disk));
                if (!driver.connection().capabilities().contains(Capability.ALLOCATION)) {
                    assertThat(extents.stream().mapToLong(Extent::length).sum())
                            .as("allocated without the capability")
                            .isEqualTo(disk.capacity());
                }
            }
            snapshot.abandoned();
        }
    }

    void cursorKeepsItsRules() {
        try (VmSnapshot snapshot = driver.begin()) {
            SnapshotDisk disk = Disks.largest(snapshot);
            Disks.assertKeepsItsRules(disk.allocated(), disk.capacity());
            snapshot.abandoned();
        }
    }

    void readsRanges() {
        try (VmSnapshot snapshot = driver.begin()) {
            SnapshotDisk disk = Disks.largest(snapshot);
            int alignment = disk.limits().alignment();
            Random random = new Random(1);
            byte[] got = new byte[(int) disk.capacity()];
            try (DiskReader reader = disk.openReader()) {
                for (int i = 0; i < 100; i++) {
                    int offset = random.nextInt(got.length) / alignment * alignment;
                    int length = 1 + random.nextInt(Math.min(got.length - offset, 1 << 20));
                    Disks.read(reader, disk.limits(), new Extent(offset, length), got);
                    assertThat(slice(got, offset, length)).isEqualTo(slice(driver.bytes(disk), offset, length));
                }
                Disks.read(reader, disk.limits(), new Extent(got.length - 1, 1), got);
                assertThat(got[got.length - 1]).as("the last byte").isEqualTo(driver.bytes(disk)[got.length - 1]);
            }
            snapshot.abandoned();
        }
    }

    void readsInParallel() throws Exception {
        try (VmSnapshot snapshot = driver.begin()) {
            SnapshotDisk disk = Disks.largest(snapshot);
            int readers = Math.min(4, disk.limits().readers());
            int calls = Math.min(4, disk.limits().requestsPerReader());
            List<DiskReader> open = new ArrayList<>();
            for (int i = 0; i < readers; i++) {
                open.add(disk.openReader());
            }
            List<byte[]> results = Race.of(readers * calls, runner -> () -> {
                byte[] got = new byte[(int) disk.capacity()];
                for (int i = 0; i < 5; i++) {
                    Disks.read(open.get(runner % readers), disk.limits(), new Extent(0, got.length), got);
                }
                return got;
            });
            open.forEach(DiskReader::close);

            assertThat(results).allSatisfy(got -> assertThat(got).isEqualTo(driver.bytes(disk)));
            snapshot.abandoned();
        }
    }

    void closedReaderRefuses() {
        try (VmSnapshot snapshot = driver.begin()) {
            SnapshotDisk disk = Disks.largest(snapshot);
            DiskReader reader = disk.openReader();
            Disks.readFirst(reader, disk);
            reader.close();
            reader.close();

            assertFails(ErrorCode.CLOSED, () -> Disks.readFirst(reader, disk));

            assertThat(Disks.read(disk)).isEqualTo(driver.bytes(disk));
            snapshot.abandoned();
        }
    }

    void closeBreaksOffReads() throws Exception {
        for (int round = 0; round < 5; round++) {
            try (VmSnapshot snapshot = driver.begin()) {
                SnapshotDisk disk = Disks.largest(snapshot);
                try (DiskReader reader = disk.openReader()) {
                    byte[] into = new byte[(int) disk.capacity()];
                    closeWhile(snapshot, () -> Disks.read(reader, disk.limits(), new Extent(0, into.length), into));
                }
            }
        }
        // Short reads, again and again: what is looked at before a read may have changed when it begins.
        try (VmSnapshot snapshot = driver.begin()) {
            SnapshotDisk disk = Disks.largest(snapshot);
            ByteBuffer buffer =
                    ByteBuffer.allocateDirect((int) Math.min(disk.limits().alignment(), disk.capacity()));
            for (int round = 0; round < 60; round++) {
                try (DiskReader reader = disk.openReader()) {
                    closeWhile(reader, () -> reader.read(0, buffer.clear()));
                }
            }
            snapshot.abandoned();
        }
    }

    private static void closeWhile(AutoCloseable closing, Runnable read) throws Exception {
        CountDownLatch reading = new CountDownLatch(1);
        List<ErrorCode> ends = Race.of(2, runner -> () -> {
            if (runner == 0) {
                assertThat(reading.await(1, TimeUnit.MINUTES)).isTrue();
                Thread.sleep(1);
                closing.close();
                return ErrorCode.CLOSED;
            }
            return readUntilFailure(read, reading);
        });

        assertThat(ends)
                .as("how a read ends whose reader or snapshot another thread closes")
                .containsOnly(ErrorCode.CLOSED);
    }

    void confirmsUnchanged() {
        try (VmSnapshot snapshot = driver.begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                Disks.read(disk);
                disk.confirmUnchanged();
            }
            snapshot.committed();
        }
    }

    private static ErrorCode readUntilFailure(Runnable read, CountDownLatch reading) {
        try {
            while (true) {
                read.run();
                reading.countDown();
            }
        } catch (GenieVmException e) {
            return e.code();
        }
    }

    private static byte[] zeroOutside(List<Extent> extents, byte[] bytes) {
        byte[] copy = new byte[bytes.length];
        for (Extent extent : extents) {
            System.arraycopy(bytes, (int) extent.offset(), copy, (int) extent.offset(), (int) extent.length());
        }
        return copy;
    }

    private static byte[] slice(byte[] bytes, int offset, int length) {
        return Arrays.copyOfRange(bytes, offset, offset + length);
    }
}
