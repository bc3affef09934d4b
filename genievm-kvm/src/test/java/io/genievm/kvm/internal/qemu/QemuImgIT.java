package io.genievm.kvm.internal.qemu;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.hypervisor.Cancellation;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class QemuImgIT {
    private static final long MEBIBYTE = 1 << 20;

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "plain.qcow2",
                "a,b=c:d.qcow2",
                "-f",
                "json:{\"driver\":\"raw\"}",
                "nbd:unix:x",
                "with space 'and\" quotes",
                "line\nbreak",
                "driver=raw,file.filename=x",
                "100%sn",
                "größe"
            })
    void anyNameIsAName(String name) {
        Path image = folder.resolve(name);
        QemuImg.create(image, "qcow2", 3 * MEBIBYTE, true, Cancellation.NEVER);
        QemuImg.addBitmap(image, "-b,=1");
        assertThat(QemuImg.chain(image, "qcow2"))
                .singleElement()
                .isEqualTo(new QemuImg.Image(
                        image,
                        "qcow2",
                        3 * MEBIBYTE,
                        null,
                        null,
                        List.of(new QemuImg.Bitmap("-b,=1", 65_536, Set.of("auto"))),
                        false,
                        true));
        try (QemuNbd served =
                QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 1, "-b,=1", folder.resolve("s")))) {
            assertThat(served.process().isAlive()).isTrue();
        }
        QemuImg.removeBitmap(image, "-b,=1");
        QemuImg.removeBitmap(image, "-b,=1");
        assertThat(QemuImg.chain(image, "qcow2").get(0).bitmaps()).isEmpty();
        assertThat(folder).isDirectoryContaining(path -> path.equals(image));
        assertThat(folder.toFile().list()).hasSize(1);
    }

    @Test
    void aChainIsFollowedAsItIsRecorded() throws IOException {
        Path sub = Files.createDirectory(folder.resolve("sub"));
        Files.write(sub.resolve("base:1.raw"), new byte[1_000_448]);
        image(
                "-b",
                sub.resolve("base:1.raw").toString(),
                "-F",
                "raw",
                sub.resolve("mid.qcow2").toString());
        image(
                "-u",
                "-b",
                "sub/mid.qcow2",
                "-F",
                "qcow2",
                folder.resolve("top.qcow2").toString(),
                "2M");

        List<QemuImg.Image> chain = QemuImg.chain(folder.resolve("top.qcow2"), "qcow2");

        assertThat(chain)
                .extracting(QemuImg.Image::file)
                .containsExactly(
                        folder.resolve("top.qcow2"), folder.resolve("sub/mid.qcow2"), sub.resolve("base:1.raw"));
        assertThat(chain).extracting(QemuImg.Image::format).containsExactly("qcow2", "qcow2", "raw");
        assertThat(chain).extracting(QemuImg.Image::virtualSize).containsExactly(2 * MEBIBYTE, 1_000_448L, 1_000_448L);
        assertThat(chain.get(0).backing()).isEqualTo(chain.get(1).file());
        assertThat(chain.get(2).keepsBitmaps()).isFalse();
    }

    @Test
    void aFormatThatIsNotRecordedIsNotGuessed() throws IOException {
        // A guest that has written this to its raw disk would have the host's file behind it, were the format guessed.
        Path secret = Files.writeString(folder.resolve("secret"), "x".repeat(512));
        Path disk = folder.resolve("disk.raw");
        image("-u", "-b", secret.toString(), "-F", "raw", disk.toString(), "1M");
        assertThat(QemuImg.chain(disk, "raw")).singleElement().satisfies(image -> {
            assertThat(image.format()).isEqualTo("raw");
            assertThat(image.backing()).isNull();
        });
        Path top = folder.resolve("top.qcow2");
        image("-b", disk.toString(), "-F", "qcow2", top.toString());
        forgetBackingFormat(top);
        assertThat(Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(top, "qcow2")))
                .hasMessageContaining(disk.toString());
        Qemu.fails(
                ErrorCode.UNSUPPORTED,
                () -> QemuNbd.serve(new QemuNbd.Export(top, "qcow2", false, 1, null, folder.resolve("s"))));
    }

    @Test
    void whatIsNoFileOrNeverEndsIsRefused() throws IOException {
        Path remote = folder.resolve("remote.qcow2");
        image("-u", "-b", "nbd://localhost/x", "-F", "raw", remote.toString(), "1M");
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(remote, "qcow2"));
        Path json = folder.resolve("json.qcow2");
        image("-u", "-b", "json:{\"driver\":\"null-co\"}", "-F", "raw", json.toString(), "1M");
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(json, "qcow2"));
        Path circle = folder.resolve("circle.qcow2");
        image("-u", "-b", "circle.qcow2", "-F", "qcow2", circle.toString(), "1M");
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(circle, "qcow2"));
        Path file = folder.resolve("file.qcow2");
        image("-u", "-b", "file:circle.qcow2", "-F", "raw", file.toString(), "1M");
        assertThat(QemuImg.chain(file, "qcow2").get(1).file()).isEqualTo(circle);
    }

    @Test
    void failuresAreNamed() throws IOException {
        Path missing = folder.resolve("missing");
        assertThat(Qemu.fails(ErrorCode.NOT_FOUND, () -> QemuImg.chain(missing, "qcow2")))
                .hasMessageContaining(missing.toString())
                .hasMessageNotContaining("\n");
        Path text = Files.writeString(folder.resolve("text"), "no image");
        Qemu.fails(ErrorCode.IO_ERROR, () -> QemuImg.chain(text, "qcow2"));
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(text, "nonsense"));
        Qemu.fails(ErrorCode.IO_ERROR, () -> QemuImg.chain(folder, "raw"));
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(new Program("no-such-program"), text, "raw"));
        Qemu.fails(ErrorCode.UNSUPPORTED, () -> QemuImg.chain(new Program(text.toString()), text, "raw"));
        Qemu.fails(ErrorCode.NOT_FOUND, () -> QemuImg.addBitmap(missing, "b"));
        Qemu.fails(ErrorCode.NOT_FOUND, () -> QemuImg.removeBitmap(missing, "b"));
        Path image = folder.resolve("image");
        QemuImg.create(image, "qcow2", MEBIBYTE, true, Cancellation.NEVER);
        QemuImg.addBitmap(image, "b");
        Qemu.fails(ErrorCode.ALREADY_EXISTS, () -> QemuImg.addBitmap(image, "b"));
        try (QemuNbd other = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", true, 1, null, folder.resolve("s")))) {
            assertThat(other.process().isAlive()).isTrue();
            Qemu.fails(ErrorCode.BUSY, () -> QemuImg.addBitmap(image, "c"));
            Qemu.fails(ErrorCode.BUSY, () -> QemuImg.removeBitmap(image, "b"));
            assertThat(QemuImg.chain(image, "qcow2")).hasSize(1);
        }
    }

    @Test
    void whetherAnImageKeepsBitmapsIsSeen() {
        image("-o", "compat=0.10", folder.resolve("old").toString(), "1M");
        assertThat(QemuImg.chain(folder.resolve("old"), "qcow2").get(0).keepsBitmaps())
                .isFalse();
        Qemu.fails(ErrorCode.IO_ERROR, () -> QemuImg.addBitmap(folder.resolve("old"), "b"));
        image(
                "--object",
                "secret,id=s,data=secret",
                "-o",
                "encrypt.format=aes,encrypt.key-secret=s",
                folder.resolve("encrypted").toString(),
                "1M");
        assertThat(QemuImg.chain(folder.resolve("encrypted"), "qcow2").get(0).isEncrypted())
                .isTrue();
        Qemu.run(
                "qemu-img",
                "create",
                "-q",
                "-f",
                "vmdk",
                folder.resolve("v.vmdk").toString(),
                "1M");
        assertThat(QemuImg.chain(folder.resolve("v.vmdk"), "vmdk").get(0).keepsBitmaps())
                .isFalse();
    }

    @Test
    void anImageIsMadeOfAnySizeThinOrNot() throws IOException {
        for (String format : List.of("raw", "qcow2")) {
            for (long size : new long[] {0, 1, 511, 1_000_001, 8 * MEBIBYTE}) {
                for (boolean thin : new boolean[] {true, false}) {
                    Path image = folder.resolve(format + size + thin);
                    QemuImg.create(image, format, size, thin, Cancellation.NEVER);
                    assertThat(QemuImg.chain(image, format).get(0).virtualSize())
                            .isEqualTo((size + 511) / 512 * 512);
                    if (format.equals("raw")) {
                        assertThat(Files.size(image)).isEqualTo(size);
                    }
                    if (size == 8 * MEBIBYTE) {
                        String blocks = Qemu.run("stat", "-c", "%b", image.toString());
                        assertThat(Long.parseLong(blocks.strip()) * 512 >= size)
                                .as("%s takes %s blocks", image, blocks)
                                .isEqualTo(!thin);
                    }
                }
            }
        }
    }

    @Test
    void whatIsThereIsNeverWrittenOver() throws IOException {
        Path there = Files.writeString(folder.resolve("there"), "mine");
        Qemu.fails(ErrorCode.ALREADY_EXISTS, () -> QemuImg.create(there, "raw", MEBIBYTE, true, Cancellation.NEVER));
        assertThat(there).hasContent("mine");
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder.resolve("elsewhere"));
        Qemu.fails(ErrorCode.ALREADY_EXISTS, () -> QemuImg.create(link, "raw", MEBIBYTE, true, Cancellation.NEVER));
        assertThat(folder.resolve("elsewhere")).doesNotExist();
    }

    @Test
    void nothingIsLeftOfAnImageThatCouldNotBeMade() throws IOException {
        Path image = folder.resolve("image");
        Qemu.fails(ErrorCode.IO_ERROR, () -> QemuImg.create(image, "qcow2", Long.MAX_VALUE, true, Cancellation.NEVER));
        Qemu.fails(
                ErrorCode.NOT_FOUND,
                () -> QemuImg.create(folder.resolve("a/b"), "raw", MEBIBYTE, true, Cancellation.NEVER));
        Qemu.fails(
                ErrorCode.UNSUPPORTED,
                () -> QemuImg.create(new Program("no-such"), image, "raw", MEBIBYTE, true, Cancellation.NEVER));
        Cancellation cancelled = new Cancellation() {
            @Override
            public boolean isCancelled() {
                return true;
            }

            @Override
            public void onCancel(Runnable action) {
                action.run();
            }
        };
        Qemu.fails(ErrorCode.CANCELLED, () -> QemuImg.create(image, "raw", MEBIBYTE, true, cancelled));
        assertThat(folder).isEmptyDirectory();
        // More than there is: refused before it is written.
        Qemu.fails(ErrorCode.NO_SPACE, () -> QemuImg.create(image, "raw", 8L << 40, false, Cancellation.NEVER));
        assertThat(folder).isEmptyDirectory();
    }

    /** Old versions of QEMU wrote such images; makes the header's extension one that nobody knows. */
    private static void forgetBackingFormat(Path image) throws IOException {
        byte[] bytes = Files.readAllBytes(image);
        for (int i = 0; i < 1024; i += 8) {
            if (ByteBuffer.wrap(bytes).getInt(i) == 0xE2792ACA) {
                bytes[i] = 0x55;
                Files.write(image, bytes);
                return;
            }
        }
        throw new AssertionError("no such extension");
    }

    private static void image(String... arguments) {
        String[] all = new String[arguments.length + 4];
        System.arraycopy(new String[] {"create", "-q", "-f", "qcow2"}, 0, all, 0, 4);
        System.arraycopy(arguments, 0, all, 4, arguments.length);
        Qemu.run("qemu-img", all);
    }
}
