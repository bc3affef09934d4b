package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.hypervisor.SnapshotDisk;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;

/**
 * What the disks of a VM hold while a test writes them. Every write changes every byte, and some of what is zeroed was
 * something else before, so that lists can be checked by what differs.
 */
final class KnownContents {
    private final Map<DiskId, byte[]> contents = new HashMap<>();
    private final Writing writing;
    private final Random random = new Random(5);

    /** Changes the disks themselves. */
    interface Writing {
        void write(DiskId disk, long offset, byte[] bytes);

        void zero(DiskId disk, long offset, long length);
    }

    KnownContents(KnownVm vm, Set<DiskId> disks, Writing writing) {
        disks.forEach(disk ->
                contents.put(disk, Objects.requireNonNull(vm.disks().get(disk)).clone()));
        this.writing = writing;
        for (DiskId disk : disks) {
            write(disk, zeroed(disk), zeroedLength(disk));
        }
    }

    /** What all disks hold now. */
    Map<DiskId, byte[]> now() {
        Map<DiskId, byte[]> copy = new HashMap<>();
        contents.forEach((disk, bytes) -> copy.put(disk, bytes.clone()));
        return copy;
    }

    /** Writes every disk at its beginning, at its end, within and across blocks of common sizes, and zeroes a part. */
    void writeEdges() {
        for (DiskId disk : contents.keySet()) {
            int capacity = bytes(disk).length;
            zero(disk, zeroed(disk), zeroedLength(disk));
            write(disk, 0, 100);
            write(disk, capacity - 77, 77);
            for (int block = 512; block > 0 && block < capacity; block *= 2) {
                write(disk, block - 1, 2);
            }
            write(disk, 20_000, 1);
            write(disk, 65_536 + 4096, 4096);
            write(disk, 3 * 65_536 - 10, 2 * 65_536 + 20);
            zero(disk, capacity - 10_001, 5000);
        }
    }

    /** Writes and zeroes here and there. */
    void writeSome() {
        for (DiskId disk : contents.keySet()) {
            for (int i = 0; i < 10; i++) {
                int offset = random.nextInt(bytes(disk).length + 1);
                int length = 1 + random.nextInt(i < 8 ? 1000 : 150_000);
                if (random.nextInt(3) == 0) {
                    zero(disk, offset, length);
                } else {
                    write(disk, offset, length);
                }
            }
        }
    }

    /** Checks that whatever differs from an earlier state lies in a list. */
    static void assertCovers(SnapshotDisk disk, List<Extent> extents, byte[] before, byte[] now) {
        byte[] updated = before.clone();
        for (Extent extent : extents) {
            System.arraycopy(now, (int) extent.offset(), updated, (int) extent.offset(), (int) extent.length());
        }
        assertThat(Arrays.mismatch(updated, now))
                .as("the first byte of disk '%s' that was written and is not in the list %s", disk.id(), extents)
                .isEqualTo(-1);
    }

    /** Checks the content of a snapshot. */
    static void assertHolds(SnapshotDisk disk, byte[] expected) {
        assertThat(Arrays.mismatch(Disks.read(disk), expected))
                .as("the first byte of disk '%s' that is wrong", disk.id())
                .isEqualTo(-1);
    }

    /** Where {@link #writeEdges()} zeroes, for which there must be something else before. */
    private int zeroed(DiskId disk) {
        return bytes(disk).length / 4 + 1;
    }

    private int zeroedLength(DiskId disk) {
        return Math.min(200_000, bytes(disk).length / 2);
    }

    private byte[] bytes(DiskId disk) {
        return contents.getOrDefault(disk, new byte[0]);
    }

    /** Writes what fits. */
    private void write(DiskId disk, int offset, int length) {
        byte[] content = bytes(disk);
        int start = Math.max(0, offset);
        int end = Math.min(content.length, offset + length);
        if (start < end) {
            byte[] bytes = new byte[end - start];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) (content[start + i] + 1 + random.nextInt(255));
            }
            System.arraycopy(bytes, 0, content, start, bytes.length);
            writing.write(disk, start, bytes);
        }
    }

    /** Zeroes what fits. */
    private void zero(DiskId disk, int offset, int length) {
        byte[] content = bytes(disk);
        int start = Math.max(0, offset);
        int end = Math.min(content.length, offset + length);
        if (start < end) {
            Arrays.fill(content, start, end, (byte) 0);
            writing.zero(disk, start, end - start);
        }
    }
}
