package io.genievm.kvm.internal.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The client against qemu-nbd. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class QemuNbdIT {
    private static final int MEBIBYTE = 1 << 20;
    private static final String BITMAP = "qemu:dirty-bitmap:since";

    @TempDir
    private Path folder;

    private Path socket;

    @BeforeEach
    void chooseSocket() {
        socket = folder.resolve("nbd.sock");
    }

    @Test
    void dataAllocationAndDirtyBitmapOfOneImage() throws IOException {
        run("qemu-img", "create", "-f", "qcow2", "disk.qcow2", "128M");
        run("qemu-io", "-c", "write -P 17 0 1M", "-c", "write -P 34 64M 3M", "disk.qcow2");
        run("qemu-img", "bitmap", "--add", "disk.qcow2", "since");
        run(
                "qemu-io",
                "-c",
                "write -P 51 65M 64k",
                "-c",
                "write -P 68 100M 128k",
                "-c",
                "write -z 64M 64k",
                "disk.qcow2");
        run("qemu-img", "convert", "-O", "raw", "disk.qcow2", "disk.raw");
        byte[] expected = Files.readAllBytes(folder.resolve("disk.raw"));
        NbdOptions options = NbdOptions.DEFAULT.withContexts(NbdOptions.ALLOCATION, BITMAP);
        NbdAddress address = NbdAddress.unix(socket, "disk");
        try (ServerProcess server = ServerProcess.qemuNbd(
                folder, "-r", "-k", "" + socket, "-e", "8", "-x", "disk", "-B", "since", "-f", "qcow2", "disk.qcow2")) {
            assertThat(server.isRunning()).isTrue();
            assertThat(NbdConnection.listContexts(address, options, "qemu:dirty-bitmap:"))
                    .containsExactly(BITMAP);
            try (NbdConnection connection = NbdConnection.open(address, options)) {
                assertThat(connection.export().contexts()).containsExactly(NbdOptions.ALLOCATION, BITMAP);
                assertThat(connection.export().isReadOnly()).isTrue();
                assertThat(connection.export().canMultiConnect()).isTrue();
                assertThat(Bytes.read(connection, 0, expected.length)).isEqualTo(expected);
                assertThat(NbdkitIT.ranges(connection
                                .status(0, expected.length)
                                .where(BITMAP, flags -> (flags & NbdStatusCursor.DIRTY) != 0)))
                        .containsExactly(
                                new Extent(64 << 20, 65536),
                                new Extent(65 << 20, 65536),
                                new Extent(100 << 20, 131072));
                assertThat(NbdkitIT.ranges(connection
                                .status(0, expected.length)
                                .where(NbdOptions.ALLOCATION, flags -> (flags & NbdStatusCursor.ZERO) == 0)))
                        .containsExactly(
                                new Extent(0, MEBIBYTE),
                                new Extent((64 << 20) + 65536, 3 * MEBIBYTE - 65536),
                                new Extent(100 << 20, 131072));
                NbdStatusCursor both = connection.status(0, expected.length);
                long end = 0;
                while (both.next()) {
                    assertThat(both.offset()).isEqualTo(end);
                    end += both.length();
                }
                assertThat(end).isEqualTo(expected.length);
            }
            assertThat(Failing.with(
                            ErrorCode.NOT_FOUND,
                            () -> NbdConnection.open(NbdAddress.unix(socket, "other"), NbdOptions.DEFAULT)))
                    .hasMessageContaining("other");
        }
    }

    @Test
    void writesAreInTheImage() throws IOException {
        byte[] expected = Bytes.random(1, 16 * MEBIBYTE);
        Files.write(folder.resolve("disk.raw"), expected);
        try (ServerProcess server = ServerProcess.qemuNbd(folder, "-k", "" + socket, "-f", "raw", "disk.raw");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT, 2)) {
            assertThat(server.isRunning()).isTrue();
            byte[] data = Bytes.random(2, 5 * MEBIBYTE);
            pool.write(MEBIBYTE, Bytes.direct(data));
            System.arraycopy(data, 0, expected, MEBIBYTE, data.length);
            pool.zero(8 * MEBIBYTE, 4 * MEBIBYTE);
            java.util.Arrays.fill(expected, 8 * MEBIBYTE, 12 * MEBIBYTE, (byte) 0);
            pool.flush();
        }
        assertThat(Files.readAllBytes(folder.resolve("disk.raw"))).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"NORMAL", "NORMAL:-VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.3"})
    void tlsWithCertificatesOfBothSides(String priority) throws IOException {
        Path certificates = Certificates.make(folder.resolve("pki"), "DNS:localhost,IP:127.0.0.1");
        byte[] expected = Bytes.random(3, 8 * MEBIBYTE);
        Files.write(folder.resolve("disk.raw"), expected);
        int port = ServerProcess.freePort();
        try (ServerProcess server = ServerProcess.qemuNbd(
                        folder,
                        "--object",
                        "tls-creds-x509,id=tls0,endpoint=server,verify-peer=on,priority=" + priority + ",dir="
                                + certificates,
                        "-e",
                        "4",
                        "--tls-creds",
                        "tls0",
                        "-p",
                        "" + port,
                        "-b",
                        "127.0.0.1",
                        "-r",
                        "-f",
                        "raw",
                        "disk.raw");
                NbdConnection connection = NbdConnection.open(
                        NbdAddress.parse("nbds://127.0.0.1:" + port + "/?tls-certificates=" + certificates),
                        NbdOptions.DEFAULT)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(connection.export().tls()).isTrue();
            assertThat(Bytes.read(connection, 0, expected.length)).isEqualTo(expected);
            Failing.with(
                    ErrorCode.ACCESS_DENIED,
                    () -> NbdConnection.open(NbdAddress.tcp("127.0.0.1", port, ""), NbdOptions.DEFAULT));
        }
    }

    @Test
    void aServerThatIsKilledOrStoppedEndsInATypedError() throws IOException {
        Files.write(folder.resolve("disk.raw"), new byte[MEBIBYTE]);
        NbdOptions options =
                NbdOptions.DEFAULT.withLimits(Duration.ofSeconds(20), Duration.ofMillis(300), Duration.ofSeconds(20));
        try (ServerProcess server =
                        ServerProcess.qemuNbd(folder, "-e", "4", "-k", "" + socket, "-f", "raw", "disk.raw");
                NbdConnection first = NbdConnection.open(NbdAddress.unix(socket, ""), options);
                NbdConnection second = NbdConnection.open(NbdAddress.unix(socket, ""), options)) {
            server.signal(folder, "STOP");
            assertThat(Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> Bytes.read(first, 0, 512)))
                    .hasMessageContaining("silent");
            // It neither reads nor answers: the writes fill the socket first.
            assertThat(Failing.with(
                            ErrorCode.TRANSIENT_IO_ERROR, () -> second.write(0, ByteBuffer.allocateDirect(MEBIBYTE))))
                    .hasMessageContaining("silent");
            server.signal(folder, "CONT");
            try (NbdConnection third = NbdConnection.open(NbdAddress.unix(socket, ""), NbdOptions.DEFAULT)) {
                server.kill();
                Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> Bytes.read(third, 0, 512));
                Failing.with(ErrorCode.TRANSIENT_IO_ERROR, () -> Bytes.read(third, 0, 512));
            }
        }
        assertThat(List.of(ErrorCode.NOT_FOUND, ErrorCode.TRANSIENT_IO_ERROR))
                .contains(failureOf(NbdAddress.unix(socket, "")));
    }

    @Test
    void aServerWithFewerPlacesIsUsedWithThose() throws IOException {
        byte[] expected = Bytes.random(4, MEBIBYTE);
        Files.write(folder.resolve("disk.raw"), expected);
        NbdOptions options = NbdOptions.DEFAULT.withLimits(
                Duration.ofSeconds(3), NbdOptions.DEFAULT.silenceLimit(), NbdOptions.DEFAULT.requestLimit());
        try (ServerProcess server =
                        ServerProcess.qemuNbd(folder, "-r", "-e", "2", "-k", "" + socket, "-f", "raw", "disk.raw");
                NbdPool pool = NbdPool.open(NbdAddress.unix(socket, ""), options, 4)) {
            assertThat(server.isRunning()).isTrue();
            assertThat(pool.size()).isEqualTo(2);
            ByteBuffer target = ByteBuffer.allocateDirect(MEBIBYTE);
            pool.read(0, target);
            assertThat(Bytes.taken(target)).isEqualTo(expected);
        }
    }

    private static ErrorCode failureOf(NbdAddress address) {
        try (NbdConnection connection = NbdConnection.open(address, NbdOptions.DEFAULT)) {
            throw new AssertionError("connected to " + connection.export());
        } catch (io.genievm.api.GenieVmException e) {
            return e.code();
        }
    }

    private void run(String... command) throws IOException {
        ServerProcess.run(folder, command);
    }
}
