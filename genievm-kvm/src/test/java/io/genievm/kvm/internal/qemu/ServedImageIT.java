package io.genievm.kvm.internal.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.nbd.NbdStatusCursor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class ServedImageIT {
    private static final int MEBIBYTE = 1 << 20;

    @TempDir
    private Path folder;

    private Path socket;
    private Path image;

    @BeforeEach
    void paths() {
        socket = folder.resolve("socket");
        image = folder.resolve("image.qcow2");
    }

    @Test
    void whatIsWrittenIsInTheImageAndInItsBitmap() {
        QemuImg.create(image, "qcow2", 8 * MEBIBYTE, true, Cancellation.NEVER);
        QemuImg.addBitmap(image, "changes");
        byte[] data = random(1, 3 * MEBIBYTE);
        try (QemuNbd served = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 4, null, socket))) {
            try (NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 4)) {
                assertThat(pool.size()).isEqualTo(4);
                assertThat(pool.export().isReadOnly()).isFalse();
                pool.write(2 * MEBIBYTE, direct(data));
                pool.zero(7 * MEBIBYTE, MEBIBYTE);
                pool.flush();
            }
            // Others may come after the last has gone.
            try (NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 1)) {
                assertThat(read(pool, 2 * MEBIBYTE, data.length)).isEqualTo(data);
            }
        }
        assertThat(socket).doesNotExist();
        assertThat(QemuImg.chain(image, "qcow2").get(0).bitmaps())
                .singleElement()
                .satisfies(bitmap -> assertThat(bitmap.isUsable()).isTrue());
        NbdOptions options = NbdOptions.DEFAULT.withContexts("qemu:dirty-bitmap:changes");
        try (QemuNbd served = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", false, 2, "changes", socket));
                NbdPool pool = NbdPool.open(served.address(), options, 2)) {
            assertThat(pool.export().isReadOnly()).isTrue();
            assertThat(read(pool, 2 * MEBIBYTE, data.length)).isEqualTo(data);
            assertThat(dirty(pool)).isEqualTo("2097152+3145728 7340032+1048576 ");
        }
    }

    @Test
    void aServerThatNobodyCameToIsEnded() throws Exception {
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        Process forgotten = new ProcessBuilder(
                        "qemu-nbd",
                        "--read-only",
                        "--shared=9",
                        "--format=qcow2",
                        "--socket=" + socket,
                        image.toString())
                .start();
        try {
            while (forgotten.isAlive() && !Files.exists(socket)) {
                Thread.sleep(20);
            }
            assertThat(forgotten.waitFor(300, TimeUnit.MILLISECONDS)).isFalse();

            QemuNbd.endForgotten(socket);

            assertThat(forgotten.waitFor(20, TimeUnit.SECONDS)).isTrue();
        } finally {
            forgotten.destroyForcibly();
        }
        QemuNbd.endForgotten(socket);
    }

    @Test
    void aChainIsServedAsTheGuestSeesIt() throws IOException {
        byte[] base = random(2, 4 * MEBIBYTE);
        Path raw = Files.write(folder.resolve("base,=:.raw"), base);
        Path mid = folder.resolve("mid.qcow2");
        Qemu.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", raw.toString(), mid.toString());
        Qemu.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "mid.qcow2", image.toString());
        byte[] middle = random(3, MEBIBYTE);
        write(mid, MEBIBYTE, middle);
        byte[] top = random(4, 1000);
        write(image, 3 * MEBIBYTE + 512, top);
        System.arraycopy(middle, 0, base, MEBIBYTE, middle.length);
        System.arraycopy(top, 0, base, 3 * MEBIBYTE + 512, top.length);
        try (QemuNbd served = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", false, 4, null, socket));
                NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 4)) {
            assertThat(pool.size()).isEqualTo(4);
            assertThat(read(pool, 0, base.length)).isEqualTo(base);
        }
    }

    @Test
    void aReaderTakesNoLockAndAWriterDoes() {
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        QemuNbd.Export reader = new QemuNbd.Export(image, "qcow2", false, 1, null, socket);
        QemuNbd.Export writer = new QemuNbd.Export(image, "qcow2", true, 1, null, folder.resolve("writer"));
        try (QemuNbd reading = QemuNbd.serve(reader);
                QemuNbd writing = QemuNbd.serve(writer)) {
            assertThat(reading.process().isAlive() && writing.process().isAlive())
                    .isTrue();
            Qemu.fails(
                    ErrorCode.BUSY,
                    () -> QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 1, null, folder.resolve("other"))));
            Qemu.fails(ErrorCode.ALREADY_EXISTS, () -> QemuNbd.serve(reader));
        }
        assertThat(folder.toFile().list()).containsExactly("image.qcow2");
    }

    @Test
    void whatCanNotBeServedLeavesNothing() throws IOException {
        QemuNbd.Export missing = new QemuNbd.Export(image, "qcow2", false, 1, null, socket);
        Qemu.fails(ErrorCode.NOT_FOUND, () -> QemuNbd.serve(missing));
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        assertThat(Qemu.fails(
                        ErrorCode.NOT_FOUND,
                        () -> QemuNbd.serve(new QemuNbd.Export(image, "qcow2", false, 1, "none", socket))))
                .hasMessageContaining("none");
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuNbd.serve(new Program("no-such-program"), missing));
        Qemu.fails(
                ErrorCode.INVALID_ARGUMENT,
                () -> QemuNbd.serve(
                        new QemuNbd.Export(image, "qcow2", false, 1, null, folder.resolve("s".repeat(108)))));
        Qemu.fails(
                ErrorCode.NOT_FOUND,
                () -> QemuNbd.serve(new QemuNbd.Export(image, "qcow2", false, 1, null, folder.resolve("a/b"))));
        assertThat(folder.toFile().list()).containsExactly("image.qcow2");
    }

    @Test
    void aServerThatIsKilledIsClearedUpAfter() throws Exception {
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        QemuNbd served = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 1, null, socket));
        try (NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 1)) {
            served.process().destroyForcibly();
            served.process().onExit().get(10, TimeUnit.SECONDS);
            Qemu.fails(ErrorCode.TRANSIENT_IO_ERROR, () -> read(pool, 0, 512));
        }
        assertThat(socket).exists();
        served.close();
        served.close();
        assertThat(socket).doesNotExist();
    }

    @Test
    void closingDoesNotWaitForClientsForEver() {
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        QemuNbd served = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 1, null, socket));
        try (NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 1)) {
            pool.write(0, direct(random(5, 512)));
            long begin = System.nanoTime();
            Thread.currentThread().interrupt();
            served.close();
            assertThat(Thread.interrupted()).isTrue();
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(20));
            assertThat(served.process().isAlive()).isFalse();
        }
        Qemu.run("qemu-img", "check", "-q", "-f", "qcow2", image.toString());
    }

    private static String dirty(NbdPool pool) {
        StringBuilder text = new StringBuilder();
        try (NbdStatusCursor cursor = pool.status(0, pool.export().size())) {
            while (cursor.next()) {
                if ((cursor.flags(0) & NbdStatusCursor.DIRTY) != 0) {
                    text.append(cursor.offset())
                            .append('+')
                            .append(cursor.length())
                            .append(' ');
                }
            }
        }
        return text.toString();
    }

    private void write(Path file, long offset, byte[] data) {
        try (QemuNbd served = QemuNbd.serve(new QemuNbd.Export(file, "qcow2", true, 1, null, socket));
                NbdPool pool = NbdPool.open(served.address(), NbdOptions.DEFAULT, 1)) {
            pool.write(offset, direct(data));
            pool.flush();
        }
    }

    private static byte[] read(NbdPool pool, long offset, int length) {
        ByteBuffer target = ByteBuffer.allocateDirect(length);
        pool.read(offset, target);
        byte[] data = new byte[length];
        target.flip().get(data);
        return data;
    }

    private static byte[] random(long seed, int length) {
        byte[] data = new byte[length];
        new Random(seed).nextBytes(data);
        return data;
    }

    private static ByteBuffer direct(byte[] data) {
        return ByteBuffer.allocateDirect(data.length).put(data).flip();
    }
}
