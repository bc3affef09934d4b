package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.hypervisor.ExtentCursor;
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
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The client against nbdkit, with and without its quirks. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class NbdkitIT {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir
    private Path folder;

    private @Nullable ServerProcess server;

    private NbdAddress serve(String... arguments) throws IOException {
        Path socket = folder.resolve("nbd.sock");
        String[] all = new String[arguments.length + 2];
        all[0] = "--unix";
        all[1] = socket.toString();
        System.arraycopy(arguments, 0, all, 2, arguments.length);
        Files.deleteIfExists(socket);
        server = ServerProcess.nbdkit(folder, all);
        return NbdAddress.unix(socket, "");
    }

    @AfterEach
    void stop() {
        if (server != null) {
            server.close();
        }
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        NbdAddress address = serve("memory", "40M");
        byte[] expected = new byte[40 * MEBIBYTE];
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(connection.export().size()).isEqualTo(expected.length);
            assertThat(connection.export().structured()).isTrue();
            byte[] data = Bytes.random(1, 20 * MEBIBYTE + 1024);
            connection.write(12288, ByteBuffer.wrap(data));
            System.arraycopy(data, 0, expected, 12288, data.length);
            connection.writeZeroes(5 * MEBIBYTE + 512, 3 * MEBIBYTE);
            Arrays.fill(expected, 5 * MEBIBYTE + 512, 8 * MEBIBYTE + 512, (byte) 0);
            connection.trim(9 * MEBIBYTE, MEBIBYTE);
            Arrays.fill(expected, 9 * MEBIBYTE, 10 * MEBIBYTE, (byte) 0);
            connection.flush();

            assertThat(Bytes.read(connection, 0, expected.length)).isEqualTo(expected);
            ByteBuffer inTheMiddle = ByteBuffer.allocate(1000).position(100).limit(612);
            connection.read(12288, inTheMiddle);
            assertThat(inTheMiddle.position()).isEqualTo(612);
            assertThat(Arrays.copyOfRange(inTheMiddle.array(), 100, 612)).isEqualTo(Arrays.copyOf(data, 512));
        }
        assertThat(imageOf(address)).isEqualTo(expected);
    }

    /** What others read of the export. */
    private byte[] imageOf(NbdAddress address) throws IOException {
        Path copy = folder.resolve("copy.raw");
        Files.deleteIfExists(copy);
        ServerProcess.run(folder, "nbdcopy", address.toString(), copy.toString());
        return Files.readAllBytes(copy);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "--no-sr", "--mask-handshake=0"})
    void aPatternIsReadRightWhateverIsNegotiated(String quirk) throws IOException {
        int size = 9 * MEBIBYTE + 1000;
        NbdAddress address =
                quirk.isEmpty() ? serve("pattern", "" + size) : serve(quirk, "pattern", Integer.toString(size));
        byte[] expected = pattern(size);
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION);
        try (NbdConnection connection = NbdConnection.open(address, options)) {
            assertThat(connection.export().structured()).isEqualTo(quirk.isEmpty());
            assertThat(Bytes.read(connection, 0, size)).isEqualTo(expected);
            assertThat(Bytes.read(connection, 512 * 100, 512 * 7))
                    .isEqualTo(Arrays.copyOfRange(expected, 512 * 100, 512 * 107));
            if (!quirk.isEmpty()) {
                assertThat(connection.export().contexts()).isEmpty();
                Failing.with(ErrorCode.UNSUPPORTED, () -> connection.status(0, size));
            }
            Failing.with(ErrorCode.ACCESS_DENIED, () -> connection.write(0, ByteBuffer.allocate(512)));
        }
    }

    private static byte[] pattern(int size) {
        ByteBuffer bytes = ByteBuffer.allocate((size + 7) / 8 * 8);
        while (bytes.hasRemaining()) {
            bytes.putLong(bytes.position());
        }
        return Arrays.copyOf(bytes.array(), size);
    }

    @Test
    void anOldstyleServerIsRefusedByName() throws IOException {
        NbdAddress address = serve("--oldstyle", "memory", "1M");

        assertThat(Failing.with(ErrorCode.UNSUPPORTED, () -> NbdConnection.open(address, NbdOptions.DEFAULT)))
                .hasMessageContaining("oldstyle");
    }

    @ParameterizedTest
    @ValueSource(strings = {"EIO", "EPERM", "ENOSPC", "ENOMEM", "EINVAL", "ESHUTDOWN"})
    void errorsAreTypedAndTheConnectionLivesOn(String error) throws IOException {
        NbdAddress address = serve("--filter=error", "memory", "1M", "error=" + error, "error-pwrite-rate=100%");
        ErrorCode expected = switch (error) {
            case "EPERM" -> ErrorCode.ACCESS_DENIED;
            case "ENOSPC" -> ErrorCode.NO_SPACE;
            case "ENOMEM", "ESHUTDOWN" -> ErrorCode.TRANSIENT_IO_ERROR;
            default -> ErrorCode.IO_ERROR;
        };
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(Failing.with(expected, () -> connection.write(4096, ByteBuffer.allocate(512)))
                            .resource()
                            .extent())
                    .isEqualTo(new Extent(4096, 512));
            if (error.equals("ESHUTDOWN")) {
                assertThat(connection.isOpen()).isFalse();
                Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> Bytes.read(connection, 0, 512));
            } else {
                assertThat(Bytes.read(connection, 0, MEBIBYTE)).containsOnly(0);
            }
        }
    }

    @Test
    void errorsAmongManyRequestsAreTheirsAlone() throws Exception {
        NbdAddress address = serve("--filter=error", "pattern", "64M", "error=EIO", "error-pread-rate=20%");
        byte[] expected = pattern(64 * MEBIBYTE);
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            int[] counts = inThreads(8, thread -> {
                int failed = 0;
                for (int at = thread * 65536; at < expected.length; at += 8 * 65536) {
                    ByteBuffer target = ByteBuffer.allocateDirect(65536);
                    try {
                        connection.read(at, target);
                    } catch (io.genievm.api.GenieVmException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.IO_ERROR);
                        failed++;
                        continue;
                    }
                    assertThat(Bytes.taken(target)).isEqualTo(Arrays.copyOfRange(expected, at, at + 65536));
                }
                return failed;
            });
            assertThat(Arrays.stream(counts).sum()).isBetween(50, 400);
            assertThat(connection.pendingRequests()).isZero();
        }
    }

    private interface Work {
        int run(int thread) throws Exception;
    }

    private static int[] inThreads(int count, Work work) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(count);
        try {
            List<Future<Integer>> futures = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int thread = i;
                futures.add(threads.submit(() -> work.run(thread)));
            }
            int[] results = new int[count];
            for (int i = 0; i < count; i++) {
                results[i] = futures.get(i).get();
            }
            return results;
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void requestsOfManyThreadsAreUnderWayTogether() throws Exception {
        NbdAddress address = serve("--filter=delay", "--threads=16", "pattern", "1M", "delay-read=300ms");
        long start = System.nanoTime();
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            byte[] expected = pattern(MEBIBYTE);
            inThreads(16, thread -> {
                assertThat(Bytes.read(connection, thread * 65536L, 65536))
                        .isEqualTo(Arrays.copyOfRange(expected, thread * 65536, (thread + 1) * 65536));
                return 0;
            });
        }
        // One after another they would take 4.8 s.
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofMillis(2400));
    }

    @Test
    void aServerThatIsTooSlowIsGivenUp() throws IOException {
        NbdAddress address = serve("--filter=delay", "memory", "1M", "delay-read=20");
        NbdOptions options =
                NbdOptions.DEFAULT.withLimits(Duration.ofSeconds(20), Duration.ofMillis(300), Duration.ofSeconds(20));
        long start = System.nanoTime();
        try (NbdConnection connection = NbdConnection.open(address, options)) {
            assertThat(Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> Bytes.read(connection, 0, 512)))
                    .hasMessageContaining("silent");
            assertThat(connection.isOpen()).isFalse();
        }
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(15));
    }

    @Test
    void blockSizesOfTheServerAreKept() throws IOException {
        NbdAddress address = serve(
                "--filter=blocksize-policy",
                "memory",
                "4M",
                "blocksize-minimum=4096",
                "blocksize-preferred=8192",
                "blocksize-maximum=8192",
                "blocksize-error-policy=error");
        byte[] data = Bytes.random(2, 3 * MEBIBYTE);
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(connection.export().minimumBlock()).isEqualTo(4096);
            assertThat(connection.export().maximumBlock()).isEqualTo(8192);
            connection.write(4096, ByteBuffer.wrap(data));
            assertThat(Bytes.read(connection, 4096, data.length)).isEqualTo(data);
            connection.writeZeroes(0, 4 * MEBIBYTE);
            assertThat(Bytes.read(connection, 0, 4 * MEBIBYTE)).containsOnly(0);
            assertThatThrownBy(() -> connection.read(512, ByteBuffer.allocate(4096)))
                    .isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> connection.read(4 * MEBIBYTE, ByteBuffer.allocate(4096)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void anEndThatIsNoWholeBlockIsRead() throws IOException {
        Path disk = folder.resolve("disk.raw");
        byte[] data = Bytes.random(3, 3 * 4096 + 1234);
        Files.write(disk, data);
        NbdAddress address = serve(
                "--filter=blocksize-policy",
                "file",
                disk.toString(),
                "blocksize-minimum=4096",
                "blocksize-preferred=4096",
                "blocksize-maximum=32M",
                "blocksize-error-policy=allow");
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION);
        try (NbdConnection connection = NbdConnection.open(address, options)) {
            assertThat(Bytes.read(connection, 0, data.length)).isEqualTo(data);
            assertThat(Bytes.read(connection, 3 * 4096, 1234)).isEqualTo(Arrays.copyOfRange(data, 12288, 13522));
            byte[] changed = Bytes.random(4, 4096 + 1234);
            connection.write(2 * 4096, ByteBuffer.wrap(changed));
            System.arraycopy(changed, 0, data, 2 * 4096, changed.length);
            assertThat(ranges(connection.status(0, data.length))).containsExactly(new Extent(0, data.length));
        }
        assertThat(Files.readAllBytes(disk)).isEqualTo(data);
    }

    @Test
    void allocationIsTold() throws IOException {
        NbdAddress address = serve("memory", "8G");
        NbdOptions options = NbdOptions.DEFAULT.withContexts("x-nobody:knows", NbdOptions.ALLOCATION);
        try (NbdConnection connection = NbdConnection.open(address, options)) {
            assertThat(connection.export().contexts()).containsExactly(NbdOptions.ALLOCATION);
            ByteBuffer data = Bytes.direct(Bytes.random(5, 65536));
            long[] places = {0, 1 << 20, (1L << 32) - 32768, (6L << 30) + 65536};
            for (long place : places) {
                connection.write(place, data.duplicate());
            }
            List<Extent> allocated = ranges(connection
                    .status(0, 8L << 30)
                    .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) == 0));
            assertThat(allocated)
                    .containsExactly(
                            new Extent(0, 65536),
                            new Extent(1 << 20, 65536),
                            new Extent((1L << 32) - 32768, 65536),
                            new Extent((6L << 30) + 65536, 65536));
            List<Extent> all = ranges(connection.status(0, 8L << 30));
            assertThat(all.stream().mapToLong(Extent::length).sum()).isEqualTo(8L << 30);
            assertThat(ranges(connection
                            .status(1000, 100_000)
                            .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.HOLE) == 0)))
                    .containsExactly(new Extent(1000, 64536));
        }
        assertThat(NbdConnection.listContexts(address, NbdOptions.DEFAULT, "")).contains(NbdOptions.ALLOCATION);
    }

    static List<Extent> ranges(ExtentCursor cursor) {
        List<Extent> extents = new ArrayList<>();
        while (cursor.next()) {
            extents.add(new Extent(cursor.offset(), cursor.length()));
        }
        return extents;
    }

    @Test
    void severalConnectionsWhereTheServerAllowsIt() throws Exception {
        NbdAddress address = serve("memory", "64M");
        byte[] data = Bytes.random(6, 64 * MEBIBYTE);
        try (NbdPool pool = NbdPool.open(address, NbdOptions.DEFAULT, 4)) {
            assertThat(pool.size()).isEqualTo(4);
            assertThat(pool.limits().requestsPerReader()).isEqualTo(64);
            inThreads(8, thread -> {
                for (int at = thread * MEBIBYTE; at < data.length; at += 8 * MEBIBYTE) {
                    pool.write(at, ByteBuffer.wrap(data, at, MEBIBYTE));
                }
                return 0;
            });
            pool.flush();
            ByteBuffer target = ByteBuffer.allocateDirect(data.length);
            pool.read(0, target);
            assertThat(Bytes.taken(target)).isEqualTo(data);
        }
        Objects.requireNonNull(server).close();
        address = serve("--filter=multi-conn", "memory", "1M", "multi-conn-mode=disable");
        try (NbdPool pool = NbdPool.open(address, NbdOptions.DEFAULT, 4)) {
            assertThat(pool.size()).isEqualTo(1);
        }
    }

    @Test
    void aServerWithoutWriteZeroesIsSentThem() throws IOException {
        NbdAddress address = serve("--filter=nozero", "memory", "8M");
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(connection.export().canWriteZeroes()).isFalse();
            connection.write(0, ByteBuffer.wrap(Bytes.random(7, 8 * MEBIBYTE)));
            connection.writeZeroes(512, 8 * MEBIBYTE - 1024);
            assertThat(Arrays.copyOfRange(Bytes.read(connection, 0, 8 * MEBIBYTE), 512, 8 * MEBIBYTE - 512))
                    .containsOnly(0);
        }
    }

    @Test
    void overTcpByUri() throws IOException {
        int port = ServerProcess.freePort();
        server = ServerProcess.nbdkit(folder, "--port", "" + port, "--exportname", "disk", "pattern", "4M");
        NbdAddress address = NbdAddress.parse("nbd://localhost:" + port + "/disk");
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(Bytes.read(connection, 0, 4 * MEBIBYTE)).isEqualTo(pattern(4 * MEBIBYTE));
        }
    }

    @Test
    void overTls() throws Exception {
        Path certificates = Certificates.make(folder.resolve("pki"), "DNS:localhost");
        int port = ServerProcess.freePort();
        server = ServerProcess.nbdkit(
                folder,
                "--port",
                "" + port,
                "--tls=require",
                "--tls-verify-peer",
                "--tls-certificates",
                "" + certificates,
                "memory",
                "64M");
        byte[] data = Bytes.random(8, 20 * MEBIBYTE + 512);
        NbdAddress address = NbdAddress.parse("nbds://localhost:" + port + "/?tls-certificates=" + certificates);
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            assertThat(connection.export().tls()).isTrue();
            connection.write(1024, ByteBuffer.wrap(data));
            assertThat(Bytes.read(connection, 1024, data.length)).isEqualTo(data);
            inThreads(8, thread -> {
                for (int round = 0; round < 10; round++) {
                    int at = MEBIBYTE * (thread + 24);
                    byte[] mine = Bytes.random(thread, MEBIBYTE);
                    connection.write(at, Bytes.direct(mine));
                    assertThat(Bytes.read(connection, at, MEBIBYTE)).isEqualTo(mine);
                }
                return 0;
            });
        }
        Failing.with(
                ErrorCode.ACCESS_DENIED,
                () -> NbdConnection.open(NbdAddress.tcp("localhost", port, ""), NbdOptions.DEFAULT));
    }

    @Test
    void aCertificateOfSomebodyElseIsRefused() throws IOException {
        Path certificates = Certificates.make(folder.resolve("pki"), "DNS:elsewhere");
        Path stranger = Certificates.make(folder.resolve("stranger"), "DNS:localhost");
        int port = ServerProcess.freePort();
        server = ServerProcess.nbdkit(
                folder, "--port", "" + port, "--tls=require", "--tls-certificates", "" + certificates, "memory", "1M");
        String uri = "nbds://localhost:" + port + "/?tls-certificates=";

        Failing.with(
                ErrorCode.ACCESS_DENIED,
                () -> NbdConnection.open(NbdAddress.parse(uri + certificates), NbdOptions.DEFAULT));
        Failing.with(
                ErrorCode.ACCESS_DENIED,
                () -> NbdConnection.open(
                        NbdAddress.parse(uri + stranger + "&tls-hostname=elsewhere"), NbdOptions.DEFAULT));
        Failing.with(
                ErrorCode.ACCESS_DENIED,
                () -> NbdConnection.open(
                        NbdAddress.tcp("localhost", port, "").withTls("elsewhere"), NbdOptions.DEFAULT));
        NbdConnection.open(NbdAddress.parse(uri + certificates + "&tls-hostname=elsewhere"), NbdOptions.DEFAULT)
                .close();
    }

    @Test
    void tlsThatIsNotOfferedEndsTheConnection() throws IOException {
        NbdAddress address = serve("--tls=off", "memory", "1M").withTls("localhost");

        Failing.with(ErrorCode.ACCESS_DENIED, () -> NbdConnection.open(address, NbdOptions.DEFAULT));
    }
}
