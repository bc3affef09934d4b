package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.Extent;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmSnapshot;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Reads and writes whole disks within their limits, as the core would. */
final class Disks {
    private Disks() {}

    /** Reads all of a disk. */
    static byte[] read(SnapshotDisk disk) {
        return read(disk, disk.capacity() == 0 ? List.of() : List.of(new Extent(0, disk.capacity())));
    }

    /** Reads the ranges of a disk, widened to its alignment; the rest stays zero. */
    static byte[] read(SnapshotDisk disk, List<Extent> extents) {
        byte[] bytes = new byte[Math.toIntExact(disk.capacity())];
        try (DiskReader reader = disk.openReader()) {
            for (Extent extent : extents) {
                read(reader, disk.limits(), extent, bytes);
            }
        }
        return bytes;
    }

    /** Reads a range, widened to the alignment, into the place of an array where it belongs. */
    static void read(DiskReader reader, DiskLimits limits, Extent extent, byte[] into) {
        int alignment = limits.alignment();
        long start = extent.offset() / alignment * alignment;
        long end = Math.min(into.length, (extent.end() + alignment - 1) / alignment * alignment);
        while (start < end) {
            int length = (int) Math.min(limits.maxRequest(), end - start);
            // Not at the buffer's ends, so that a reader that forgets position or limit is found out.
            ByteBuffer buffer =
                    ByteBuffer.allocateDirect(length + 24).position(8).limit(8 + length);
            reader.read(start, buffer);
            assertThat(buffer.position() - 8)
                    .as(
                            "bytes by which a read of %d bytes has moved the buffer's position (H49: all, or it throws)",
                            length)
                    .isEqualTo(length);
            assertThat(buffer.limit() - 8)
                    .as("the buffer's limit behind its old position after a read of %d bytes (H49: as it was)", length)
                    .isEqualTo(length);
            buffer.position(8).get(into, (int) start, length);
            start += length;
        }
    }

    /** Takes all extents out of a cursor and checks the rules of {@link ExtentCursor}. */
    static List<Extent> extents(ExtentCursor cursor, long capacity) {
        List<Extent> extents = new ArrayList<>();
        long end = 0;
        try (cursor) {
            while (cursor.next()) {
                Extent extent = new Extent(cursor.offset(), cursor.length());
                assertThat(extent.offset())
                        .as("ascending and disjoint: %s", extent)
                        .isGreaterThanOrEqualTo(end);
                end = extent.end();
                assertThat(end).as("inside the capacity: %s", extent).isLessThanOrEqualTo(capacity);
                extents.add(extent);
            }
            assertThat(cursor.next()).as("next after the end").isFalse();
        }
        return extents;
    }

    /** Writes a range of an array to where it belongs on a disk. */
    static void write(DiskWriter writer, byte[] bytes, int start, int end) {
        int at = start;
        while (at < end) {
            int length = Math.min(writer.limits().maxRequest(), end - at);
            ByteBuffer buffer = ByteBuffer.allocateDirect(length + 24);
            buffer.position(8).put(bytes, at, length).flip().position(8);
            writer.write(at, buffer);
            assertThat(buffer.hasRemaining())
                    .as("bytes left after the write of %d", length)
                    .isFalse();
            at += length;
        }
    }

    /** Writes the beginning of an array to where it belongs on a disk, but for blocks of zeroes. */
    static void writeNonZero(DiskWriter writer, byte[] bytes, int end) {
        int step = 65_536;
        for (int at = 0; at < end; at += step) {
            int until = Math.min(end, at + step);
            for (int i = at; i < until; i++) {
                if (bytes[i] != 0) {
                    write(writer, bytes, at, until);
                    break;
                }
            }
        }
    }

    /** Checks when a cursor gives its extent. */
    static void assertKeepsItsRules(ExtentCursor cursor, long capacity) {
        assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
        long end = 0;
        while (cursor.next()) {
            assertThat(cursor.offset()).isEqualTo(cursor.offset()).isBetween(end, capacity - 1);
            assertThat(cursor.length()).isPositive().isEqualTo(cursor.length());
            end = cursor.offset() + cursor.length();
        }
        assertThatThrownBy(cursor::offset).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(cursor::length).isInstanceOf(IllegalStateException.class);
        cursor.close();
        cursor.close();
    }

    /** The largest disk, which has some bytes. */
    static SnapshotDisk largest(VmSnapshot snapshot) {
        SnapshotDisk largest = Collections.max(snapshot.disks(), (a, b) -> Long.compare(a.capacity(), b.capacity()));
        assertThat(largest.capacity()).as("the largest disk of the known VM").isPositive();
        return largest;
    }

    /** Reads as little as may be from the beginning. */
    static void readFirst(DiskReader reader, SnapshotDisk disk) {
        int length = (int) Math.min(disk.limits().alignment(), disk.capacity());
        reader.read(0, ByteBuffer.allocateDirect(length));
    }
}
