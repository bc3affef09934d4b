package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Many threads on one connection, and one that closes it. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class NbdConcurrencyTest {
    private static final int PART = 256 << 10;
    private static final int THREADS = 8;

    @TempDir
    private Path folder;

    private final ExecutorService threads = Executors.newFixedThreadPool(THREADS);

    @AfterEach
    void endThreads() {
        threads.shutdownNow();
    }

    private <T> List<Future<T>> start(int count, Callable<T> work) {
        List<Future<T>> futures = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            futures.add(threads.submit(work));
        }
        return futures;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void threadsThatReadAndWriteTheirPartsSeeWhatTheyWrote(boolean structured) throws Exception {
        byte[] disk = new byte[THREADS * PART];
        try (ScriptedServer server = MemoryServer.start(folder.resolve("socket"), disk, structured, 1);
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            List<Future<Integer>> all = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int part = i * PART;
                all.add(threads.submit(() -> {
                    Random random = new Random(part);
                    byte[] expected = new byte[PART];
                    for (int round = 0; round < 60; round++) {
                        int from = random.nextInt(PART);
                        int length = 1 + random.nextInt(PART - from);
                        if (random.nextBoolean()) {
                            byte[] data = new byte[length];
                            random.nextBytes(data);
                            connection.write(part + from, ByteBuffer.wrap(data));
                            System.arraycopy(data, 0, expected, from, length);
                        } else if (random.nextInt(4) == 0) {
                            connection.writeZeroes(part + from, length);
                            Arrays.fill(expected, from, from + length, (byte) 0);
                        } else {
                            assertThat(Bytes.read(connection, part + from, length))
                                    .isEqualTo(Arrays.copyOfRange(expected, from, from + length));
                        }
                    }
                    assertThat(Bytes.read(connection, part, PART)).isEqualTo(expected);
                    return part;
                }));
            }
            for (Future<Integer> each : all) {
                each.get();
            }
            assertThat(connection.pendingRequests()).isZero();
            assertThat(Bytes.read(connection, 0, disk.length)).isEqualTo(disk);
        }
    }

    /** It stops listening while it answers: long writes and long reads at a time would each wait for the other. */
    @Test
    void longReadsAndLongWritesDoNotWaitForEachOther() throws Exception {
        byte[] disk = Bytes.random(2, 16 << 20);
        byte[] half = Arrays.copyOf(disk, 8 << 20);
        try (ScriptedServer server = MemoryServer.start(folder.resolve("socket"), disk, true, 3);
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            Future<Boolean> writer = threads.submit(() -> {
                for (int round = 0; round < 6; round++) {
                    connection.write(8 << 20, ByteBuffer.wrap(half));
                }
                return true;
            });
            for (int round = 0; round < 6; round++) {
                assertThat(Bytes.read(connection, 0, half.length)).isEqualTo(half);
            }
            assertThat(writer.get()).isTrue();
            assertThat(Bytes.read(connection, 8 << 20, half.length)).isEqualTo(half);
        }
    }

    @Test
    void closingFailsEverythingThatIsUnderWay() throws Exception {
        int sockets = Resources.openFiles();
        CountDownLatch asked = new CountDownLatch(THREADS);
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), peer -> {
                    peer.negotiate(1 << 20, 0, true);
                    while (true) {
                        peer.request();
                        asked.countDown();
                    }
                });
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            List<Future<byte[]>> reads = start(THREADS, () -> Bytes.read(connection, 0, 4096));
            asked.await();
            long start = System.nanoTime();
            close(connection);
            for (Future<byte[]> each : reads) {
                assertThat(failureOf(each)).isEqualTo(ErrorCode.CLOSED);
            }
            assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
            assertThat(connection.pendingRequests()).isZero();
            assertThat(connection.isOpen()).isFalse();
            Failing.with(ErrorCode.CLOSED, () -> Bytes.read(connection, 0, 4096));
            Failing.with(ErrorCode.CLOSED, () -> connection.write(0, ByteBuffer.allocate(1)));
        }
        assertThat(Resources.openFiles()).isLessThanOrEqualTo(sockets);
    }

    private static void close(NbdConnection connection) {
        connection.close();
    }

    private static ErrorCode failureOf(Future<?> future) throws InterruptedException {
        try {
            future.get();
            throw new AssertionError("it went well");
        } catch (java.util.concurrent.ExecutionException e) {
            assertThat(e.getCause()).isInstanceOf(GenieVmException.class);
            return Objects.requireNonNull(((GenieVmException) e.getCause())).code();
        }
    }

    @Test
    void closingEndsAWriteThatNobodyTakes() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), peer -> {
                    peer.negotiate(64 << 20, 0, true);
                    peer.in.readFully(new byte[28]);
                    asked.countDown();
                    peer.awaitClose();
                });
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            List<Future<Boolean>> writes = start(3, () -> {
                connection.write(0, ByteBuffer.allocateDirect(32 << 20));
                return true;
            });
            asked.await();
            close(connection);
            for (Future<Boolean> each : writes) {
                assertThat(failureOf(each)).isEqualTo(ErrorCode.CLOSED);
            }
        }
    }

    @Test
    void closingAtAnyMomentLeavesOnlyRightBytesOrClosed() throws Exception {
        byte[] disk = Bytes.random(5, 1 << 20);
        int sockets = Resources.openFiles();
        try (ScriptedServer server = MemoryServer.start(folder.resolve("socket"), disk, true, 6)) {
            Random random = new Random(7);
            for (int round = 0; round < 100; round++) {
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT);
                CountDownLatch some = new CountDownLatch(1 + random.nextInt(20));
                List<Future<Integer>> readers = start(4, () -> {
                    int done = 0;
                    try {
                        while (true) {
                            int at = done * 4096 % disk.length;
                            ByteBuffer target = ByteBuffer.allocateDirect(4096);
                            connection.read(at, target);
                            assertThat(Bytes.taken(target)).isEqualTo(Arrays.copyOfRange(disk, at, at + 4096));
                            done++;
                            some.countDown();
                        }
                    } catch (GenieVmException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.CLOSED);
                        return done;
                    }
                });
                some.await();
                connection.close();
                connection.close();
                for (Future<Integer> each : readers) {
                    assertThat(each.get()).isNotNegative();
                }
                assertThat(connection.pendingRequests()).isZero();
            }
        }
        assertThat(Resources.openFiles()).isLessThanOrEqualTo(sockets);
    }

    @Test
    void aServerThatHangsUpFailsAllThreads() throws Exception {
        CountDownLatch asked = new CountDownLatch(THREADS);
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), peer -> {
                    peer.negotiate(1 << 20, 0, true);
                    for (int i = 0; i < THREADS; i++) {
                        peer.request();
                    }
                });
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            assertThat(asked.getCount()).isEqualTo(THREADS);
            for (Future<byte[]> each : start(THREADS, () -> Bytes.read(connection, 0, 4096))) {
                assertThat(failureOf(each)).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
            }
        }
    }

    @Test
    void aThreadWhoseTimeIsOverEndsWhileAnotherReads() throws Exception {
        NbdOptions options =
                NbdOptions.DEFAULT.withLimits(Duration.ofSeconds(20), Duration.ofSeconds(20), Duration.ofMillis(300));
        try (ScriptedServer server = new ScriptedServer(folder.resolve("socket"), peer -> {
                    peer.negotiate(1 << 20, 0, true);
                    peer.drain();
                });
                NbdConnection connection = NbdConnection.open(server.address(), options)) {
            for (Future<byte[]> each : start(THREADS, () -> Bytes.read(connection, 0, 4096))) {
                assertThat(failureOf(each)).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR);
            }
        }
    }

    @Test
    void anInterruptedThreadFinishesItsCallAndHarmsNobody() throws IOException {
        byte[] disk = Bytes.random(8, 4 << 20);
        try (ScriptedServer server = MemoryServer.start(folder.resolve("socket"), disk, true, 9);
                NbdConnection connection = NbdConnection.open(server.address(), NbdOptions.DEFAULT)) {
            Thread.currentThread().interrupt();
            byte[] read = Bytes.read(connection, 0, disk.length);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(read).isEqualTo(disk);
            assertThat(Bytes.read(connection, 0, disk.length)).isEqualTo(disk);
        }
    }
}
