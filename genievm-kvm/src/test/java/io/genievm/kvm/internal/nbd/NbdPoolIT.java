package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a pool does when connections to real servers are lost. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class NbdPoolIT {
    private static final int MEBIBYTE = 1 << 20;
    private static final int SIZE = 16 * MEBIBYTE;

    @TempDir
    private Path folder;

    private Path socket;
    private Path front;
    private byte[] expected;

    @BeforeEach
    void makeDisk() throws IOException {
        socket = folder.resolve("nbd.sock");
        front = folder.resolve("front.sock");
        expected = Bytes.random(1, SIZE);
        Files.write(folder.resolve("disk.raw"), expected);
    }

    private ServerProcess serveReadOnly(Path where, String image) throws IOException {
        return ServerProcess.qemuNbd(folder, "-r", "-e", "8", "-k", "" + where, "-f", "raw", image);
    }

    private static byte[] read(NbdPool pool, long offset, int length) {
        ByteBuffer target = ByteBuffer.allocateDirect(length);
        pool.read(offset, target);
        return Bytes.taken(target);
    }

    private byte[] part(long offset, int length) {
        return Arrays.copyOfRange(expected, (int) offset, (int) offset + length);
    }

    /** Gives the failure of a read, or null when it gave the right bytes. */
    private @Nullable GenieVmException failureOfRead(NbdPool pool, long offset) {
        try {
            // Not as two lists: 65 536 numbers help nobody.
            assertThat(Arrays.equals(read(pool, offset, 65536), part(offset, 65536)))
                    .as("right bytes at %d", offset)
                    .isTrue();
            return null;
        } catch (GenieVmException e) {
            return e;
        }
    }

    @Test
    void aLostConnectionIsReplacedWhereAnotherProvesThatTheServerLives() throws Exception {
        try (ServerProcess server = serveReadOnly(socket, "disk.raw");
                CuttingProxy proxy = new CuttingProxy(front, socket);
                NbdPool pool = NbdPool.open(proxy.address(), NbdOptions.DEFAULT, 3)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(pool.openConnections()).isEqualTo(3);
            proxy.cut(0);
            // The first is the one that is asked when all are idle; nobody knows yet that it is lost.
            GenieVmException failure = Objects.requireNonNull(failureOfRead(pool, 0));
            assertThat(failure.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
            assertThat(pool.openConnections()).isEqualTo(2);

            assertThat(read(pool, 0, SIZE)).isEqualTo(expected);

            assertThat(proxy.accepted()).isEqualTo(4);
            assertThat(pool.openConnections()).isEqualTo(3);
            assertThat(pool.size()).isEqualTo(3);
        }
    }

    @Test
    void whileManyReadOnlyWhatWasOnTheLostConnectionFails() throws Exception {
        try (ServerProcess server = serveReadOnly(socket, "disk.raw");
                CuttingProxy proxy = new CuttingProxy(front, socket);
                NbdPool pool = NbdPool.open(proxy.address(), NbdOptions.DEFAULT, 4)) {
            assertThat(server.isRunning()).isTrue();
            ExecutorService threads = Executors.newFixedThreadPool(8);
            AtomicInteger reads = new AtomicInteger();
            AtomicInteger failed = new AtomicInteger();
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                int thread = i;
                all.add(threads.submit(() -> {
                    for (int round = 0; round < 400; round++) {
                        GenieVmException failure = failureOfRead(pool, 65536L * ((thread * 31 + round * 7) % 256));
                        if (failure != null) {
                            assertThat(failure.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
                            failed.incrementAndGet();
                        }
                        if (reads.incrementAndGet() == 800) {
                            proxy.cut(2);
                        }
                        if (reads.get() == 1600) {
                            proxy.cut(1);
                        }
                    }
                    return null;
                }));
            }
            for (Future<?> each : all) {
                each.get();
            }
            threads.shutdown();
            // At most what 8 threads had under way, twice.
            assertThat(failed.get()).isBetween(0, 16);
            assertThat(pool.openConnections()).isGreaterThanOrEqualTo(3);
            assertThat(read(pool, 0, SIZE)).isEqualTo(expected);
        }
    }

    @Test
    void nothingIsOpenedAnewWhereWritesArePossible() throws Exception {
        try (ServerProcess server =
                        ServerProcess.qemuNbd(folder, "-e", "8", "-k", "" + socket, "-f", "raw", "disk.raw");
                CuttingProxy proxy = new CuttingProxy(front, socket);
                NbdPool pool = NbdPool.open(proxy.address(), NbdOptions.DEFAULT, 3)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(pool.size()).isEqualTo(3);
            proxy.cut(0);
            Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> pool.write(0, Bytes.direct(new byte[65536])));
            byte[] data = Bytes.random(2, 65536);
            pool.write(0, Bytes.direct(data));
            pool.flush();
            assertThat(read(pool, 0, 65536)).isEqualTo(data);
            assertThat(proxy.accepted()).isEqualTo(3);
            assertThat(pool.openConnections()).isEqualTo(2);
            server.kill();
            failFast(pool, ErrorCode.TRANSIENT_IO_ERROR);
        }
    }

    @Test
    void anExportThatDiffersEndsThePool() throws Exception {
        Path other = folder.resolve("other.sock");
        Files.write(folder.resolve("larger.raw"), new byte[2 * SIZE]);
        try (ServerProcess server = serveReadOnly(socket, "disk.raw");
                CuttingProxy proxy = new CuttingProxy(front, socket);
                NbdPool pool = NbdPool.open(proxy.address(), NbdOptions.DEFAULT, 3);
                ServerProcess another = serveReadOnly(other, "larger.raw")) {
            assertThat(server.isRunning() && another.isRunning()).isTrue();
            proxy.redirect(other);
            proxy.cut(0);
            Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> read(pool, 0, 512));
            Failing.with(ErrorCode.SOURCE_CHANGED, () -> read(pool, 0, 512));
            Failing.with(ErrorCode.SOURCE_CHANGED, () -> read(pool, 0, 512));
            assertThat(pool.openConnections()).isZero();
        }
    }

    @Test
    void anotherServerWithAnEqualExportIsNotTakenForTheLostOne() throws Exception {
        Path other = folder.resolve("other.sock");
        byte[] otherMoment = Bytes.random(9, SIZE);
        Files.write(folder.resolve("later.raw"), otherMoment);
        ServerProcess server = serveReadOnly(socket, "disk.raw");
        try (CuttingProxy proxy = new CuttingProxy(front, socket);
                NbdPool pool = NbdPool.open(proxy.address(), NbdOptions.DEFAULT, 3);
                ServerProcess another = serveReadOnly(other, "later.raw")) {
            assertThat(another.isRunning()).isTrue();
            proxy.redirect(other);
            server.kill();
            // Each of the connections finds out for itself.
            for (int i = 0; i < 10; i++) {
                String read = "read " + i;
                GenieVmException failure = Objects.requireNonNull(failureOfRead(pool, 0), read);
                assertThat(failure.code()).isIn(ErrorCode.TRANSIENT_IO_ERROR, ErrorCode.SNAPSHOT_LOST);
            }
            Failing.with(ErrorCode.SNAPSHOT_LOST, () -> read(pool, 0, 512));
        } finally {
            server.close();
        }
    }

    @Test
    void withoutItsServerAPoolFailsAtOnce() throws Exception {
        try (ServerProcess server = serveReadOnly(socket, "disk.raw")) {
            NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, 4);
            assertThat(read(pool, 0, SIZE)).isEqualTo(expected);
            server.kill();
            failFast(pool, ErrorCode.SNAPSHOT_LOST);
            Failing.with(ErrorCode.SNAPSHOT_LOST, () -> pool.status(0, SIZE));
            pool.close();
            Failing.with(ErrorCode.CLOSED, () -> read(pool, 0, 512));
        }
    }

    /** Sixteen threads call, and all of them have their typed failure in a moment. */
    private static void failFast(NbdPool pool, ErrorCode atLast) throws Exception {
        long start = System.nanoTime();
        ExecutorService threads = Executors.newFixedThreadPool(16);
        List<Future<ErrorCode>> all = new ArrayList<>();
        for (int i = 0; i < 160; i++) {
            all.add(threads.submit(() -> {
                try {
                    read(pool, 0, 65536);
                    throw new AssertionError("read from nowhere");
                } catch (GenieVmException e) {
                    return e.code();
                }
            }));
        }
        for (Future<ErrorCode> each : all) {
            assertThat(each.get()).isIn(ErrorCode.TRANSIENT_IO_ERROR, atLast);
        }
        threads.shutdown();
        Failing.with(atLast, () -> read(pool, 0, 512));
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(20));
    }

    @Test
    void nothingIsWrittenWhereNobodyCanFlush() throws Exception {
        Path disk = folder.resolve("eval.raw");
        Files.write(disk, new byte[MEBIBYTE]);
        try (ServerProcess server = ServerProcess.nbdkit(
                        folder,
                        "--unix",
                        "" + socket,
                        "eval",
                        "get_size=echo 1048576",
                        "can_write=exit 0",
                        "pread=dd if=" + disk + " iflag=skip_bytes,count_bytes skip=$4 count=$3",
                        "pwrite=dd of=" + disk + " oflag=seek_bytes seek=$4 conv=notrunc");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, 2)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(pool.export().isReadOnly()).isFalse();
            assertThat(pool.export().canFlush()).isFalse();
            assertThat(Failing.with(ErrorCode.UNSUPPORTED, () -> pool.write(0, Bytes.direct(Bytes.random(3, 4096)))))
                    .hasMessageContaining("flush");
            Failing.with(ErrorCode.UNSUPPORTED, () -> pool.zero(0, 4096));
            Failing.with(ErrorCode.UNSUPPORTED, () -> pool.trim(0, 4096));
            Failing.with(ErrorCode.UNSUPPORTED, pool::flush);
            assertThat(read(pool, 0, MEBIBYTE)).containsOnly(0);
        }
        assertThat(Files.readAllBytes(disk)).containsOnly(0);
    }
}
