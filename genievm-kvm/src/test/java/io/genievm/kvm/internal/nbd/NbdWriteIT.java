package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Writing to images as a restore does, beside what {@code qemu-img} reads of them. */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class NbdWriteIT {
    private static final int MEBIBYTE = 1 << 20;
    private static final int SIZE = 96 * MEBIBYTE + 5 * 512;
    private static final int THREADS = 8;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(ints = {1, 4})
    void manyThreadsWriteZeroAndFlush(int connections) throws Exception {
        byte[] expected = new byte[SIZE];
        // What was there before must not show through zeroes.
        Files.write(folder.resolve("before.raw"), Bytes.random(1, SIZE));
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "before.raw", "disk.qcow2");
        Path socket = folder.resolve("nbd.sock");
        try (ServerProcess server = ServerProcess.qemuNbd(
                        folder, "-e", "4", "--discard=unmap", "-k", "" + socket, "-f", "qcow2", "disk.qcow2");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, connections)) {
            assertThat(server.isRunning()).isTrue();
            // QEMU allows several writers since 7.1, when it is told to serve more than one client.
            assertThat(pool.size()).isEqualTo(pool.export().canMultiConnect() ? connections : 1);
            ExecutorService threads = Executors.newFixedThreadPool(THREADS);
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int thread = i;
                all.add(threads.submit(() -> {
                    rewrite(pool, expected, thread);
                    return null;
                }));
            }
            for (Future<?> each : all) {
                each.get();
            }
            threads.shutdown();
            pool.flush();
            // On the disk, whatever becomes of the server.
            server.kill();
        }
        assertThat(imageOf("disk.qcow2")).isEqualTo(expected);
        run("qemu-img", "check", "-q", "-f", "qcow2", "disk.qcow2");
    }

    /** Each thread has pieces of its own, and in the end every byte of the disk was written or zeroed. */
    private static void rewrite(NbdPool pool, byte[] expected, int thread) {
        Random random = new Random(thread);
        int piece = 3 * 65536 - 512;
        for (int at = thread * piece; at < SIZE; at += THREADS * piece) {
            int length = Math.min(piece, SIZE - at);
            switch (random.nextInt(4)) {
                case 0 -> pool.zero(at, length);
                case 1 -> {
                    byte[] data = Bytes.random(at, length);
                    pool.write(at, ByteBuffer.wrap(data));
                    System.arraycopy(data, 0, expected, at, length);
                }
                default -> {
                    byte[] data = Bytes.random(at, length);
                    pool.write(at, Bytes.direct(data));
                    System.arraycopy(data, 0, expected, at, length);
                }
            }
            if (random.nextInt(50) == 0) {
                pool.flush();
            }
        }
    }

    @Test
    void zeroesAndTrimmedRangesTakeNoSpace() throws IOException {
        byte[] expected = Bytes.random(1, SIZE);
        Files.write(folder.resolve("before.raw"), expected);
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "before.raw", "disk.qcow2");
        Path socket = folder.resolve("nbd.sock");
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION);
        try (ServerProcess server = ServerProcess.qemuNbd(
                        folder, "-e", "4", "--discard=unmap", "-k", "" + socket, "-f", "qcow2", "disk.qcow2");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), options, 4)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(pool.export().canWriteZeroes()).isTrue();
            assertThat(pool.export().canTrim()).isTrue();
            long before = allocated();
            pool.zero(MEBIBYTE, 40 * MEBIBYTE + 512);
            Arrays.fill(expected, MEBIBYTE, 41 * MEBIBYTE + 512, (byte) 0);
            pool.trim(48 * MEBIBYTE, 40 * MEBIBYTE);
            // QEMU makes zeroes of what was trimmed of such an image. Nothing but that is relied on.
            Arrays.fill(expected, 48 * MEBIBYTE, 88 * MEBIBYTE, (byte) 0);
            pool.flush();

            assertThat(before - allocated()).isGreaterThan(78L * MEBIBYTE);
            assertThat(NbdkitIT.ranges(pool.status(0, SIZE)
                                    .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) != 0))
                            .stream()
                            .mapToLong(extent -> extent.length())
                            .sum())
                    .isBetween(80L * MEBIBYTE, 80L * MEBIBYTE + 512);
            ByteBuffer all = ByteBuffer.allocateDirect(SIZE);
            pool.read(0, all);
            assertThat(Bytes.taken(all)).isEqualTo(expected);
        }
        assertThat(imageOf("disk.qcow2")).isEqualTo(expected);
    }

    /** Bytes that the image takes on the disk below. */
    private long allocated() throws IOException {
        return 512 * Long.parseLong(run("stat", "-c", "%b", "disk.qcow2").strip());
    }

    @Test
    void anEmptyDiskThatIsZeroedStaysEmpty() throws IOException {
        run("qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "1T");
        Path socket = folder.resolve("nbd.sock");
        try (ServerProcess server =
                        ServerProcess.qemuNbd(folder, "-e", "4", "-k", "" + socket, "-f", "qcow2", "disk.qcow2");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, 2)) {
            assertThat(server.isRunning()).isTrue();
            byte[] data = Bytes.random(4, 65536);
            pool.zero(0, 1L << 38);
            pool.write(1L << 39, Bytes.direct(data));
            pool.flush();
            ByteBuffer back = ByteBuffer.allocateDirect(65536);
            pool.read(1L << 39, back);
            assertThat(Bytes.taken(back)).isEqualTo(data);
            assertThat(allocated()).isLessThan(64L * MEBIBYTE);
        }
    }

    private byte[] imageOf(String image) throws IOException {
        Files.deleteIfExists(folder.resolve("after.raw"));
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, "after.raw");
        return Files.readAllBytes(folder.resolve("after.raw"));
    }

    private String run(String... command) throws IOException {
        return ServerProcess.run(folder, command);
    }
}
