package io.genievm.example.scale;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.LastErrorException;
import com.sun.jna.Native;
import io.genievm.api.Extent;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** A file with holes, looked at with the kernel's own eyes: its data is read, its holes are not. */
record SparseFile(Path path) {
    private static final int BLOCK = 4096;
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    private static final int NO_SUCH_OFFSET = 6;

    static SparseFile create(Path path, long length) throws IOException {
        Files.createDirectories(path.getParent());
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        }
        return new SparseFile(path);
    }

    SparseFile write(long offset, byte[] bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(offset);
            file.write(bytes);
        }
        return this;
    }

    static byte[] noise(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** The ranges that are no holes. */
    List<Extent> data() throws IOException {
        List<Extent> extents = new ArrayList<>();
        long length = Files.size(path);
        int file = LibC.open(path.toString(), 0);
        try {
            for (long at = 0; at < length; ) {
                long start = LibC.lseek(file, at, SEEK_DATA);
                at = LibC.lseek(file, start, SEEK_HOLE);
                extents.add(new Extent(start, at - start));
            }
        } catch (LastErrorException e) {
            if (e.getErrorCode() != NO_SUCH_OFFSET) {
                throw e;
            }
        } finally {
            LibC.close(file);
        }
        return extents;
    }

    /** Bytes that the file takes on its disk. */
    long allocated() throws IOException, InterruptedException {
        // What is still to be allocated does not count, so it must not be there.
        try (FileChannel file = FileChannel.open(path)) {
            file.force(true);
        }
        Process stat = new ProcessBuilder("stat", "-c", "%b %B", path.toString()).start();
        String[] words =
                new String(stat.getInputStream().readAllBytes(), UTF_8).strip().split(" ");
        assertThat(stat.waitFor()).isZero();
        return Long.parseLong(words[0]) * Long.parseLong(words[1]);
    }

    /** Aligned blocks of 4 KiB that hold zeroes only and are no holes. */
    long zeroBlocks() throws IOException {
        long count = 0;
        byte[] zeroes = new byte[BLOCK];
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        long length = Files.size(path);
        try (FileChannel file = FileChannel.open(path)) {
            for (Extent extent : data()) {
                for (long at = (extent.offset() + BLOCK - 1) / BLOCK * BLOCK;
                        at + BLOCK <= Math.min(extent.end(), length);
                        at += BLOCK) {
                    read(file, at, block.clear());
                    count += Arrays.equals(block.array(), zeroes) ? 1 : 0;
                }
            }
        }
        return count;
    }

    /** Compares every byte that is no hole in both; holes are zeroes. */
    void requireEqualTo(SparseFile other) throws IOException {
        assertThat(Files.size(path)).as("length of %s", path).isEqualTo(Files.size(other.path));
        ByteBuffer own = ByteBuffer.allocate(1 << 20);
        ByteBuffer theirs = ByteBuffer.allocate(1 << 20);
        try (FileChannel a = FileChannel.open(path);
                FileChannel b = FileChannel.open(other.path)) {
            List<Extent> extents = new ArrayList<>(data());
            extents.addAll(other.data());
            for (Extent extent : extents) {
                long end = Math.min(extent.end(), Files.size(path));
                for (long at = extent.offset(); at < end; at += own.capacity()) {
                    int length = (int) Math.min(own.capacity(), end - at);
                    read(a, at, own.clear().limit(length));
                    read(b, at, theirs.clear().limit(length));
                    int first = Arrays.mismatch(own.array(), 0, length, theirs.array(), 0, length);
                    assertThat(first)
                            .as("first difference of %s from %s on", path, at)
                            .isNegative();
                }
            }
        }
    }

    /** Allocated at most one in a hundred more than another, with a block of grace for what small files are. */
    void requireNoLargerThan(SparseFile other) throws IOException, InterruptedException {
        assertThat(allocated()).as("room of %s", path).isLessThanOrEqualTo(other.allocated() * 101 / 100 + BLOCK);
    }

    private static void read(FileChannel file, long offset, ByteBuffer target) throws IOException {
        long at = offset;
        while (target.hasRemaining()) {
            int count = file.read(target, at);
            if (count < 0) {
                throw new IOException("ends at " + at);
            }
            at += count;
        }
    }

    private static final class LibC {
        static {
            Native.register(LibC.class, "c");
        }

        static native int open(String path, int flags) throws LastErrorException;

        static native int close(int file);

        static native long lseek(int file, long offset, int whence) throws LastErrorException;
    }
}
