package io.genievm.kvm.internal.restore;

import static io.genievm.kvm.internal.restore.Steps.fails;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriting.WritableDisk;
import io.genievm.kvm.internal.guard.Claim;
import io.genievm.kvm.internal.guard.Owner;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.nbd.NbdStatusCursor;
import io.genievm.kvm.internal.qemu.QemuImg;
import io.genievm.kvm.internal.qemu.QemuNbd;
import io.genievm.kvm.lab.Guest;
import io.genievm.kvm.lab.GuestBuilder;
import io.genievm.kvm.lab.KvmLab;
import io.genievm.kvm.lab.Programs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Writes into the disks of domains of a real libvirt. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class ExistingDisksIT {
    private static final int MEBIBYTE = 1 << 20;
    private static final int SIZE = 4 * MEBIBYTE + 512;
    private static final String BITMAP = "since";

    private final Map<String, byte[]> contents = new TreeMap<>();
    private KvmLab lab;
    private LibvirtConnection libvirt;
    private ExistingDisks disks;

    @BeforeEach
    void connect(KvmLab given) {
        lab = given;
        libvirt = LibvirtConnection.open(KvmLab.ADDRESS);
        disks = new ExistingDisks(libvirt, Steps.SOCKETS);
        for (String target : List.of("vda", "vdb", "vdc", "vdd")) {
            contents.put(target, Steps.random(target.charAt(2), SIZE));
        }
    }

    @AfterEach
    void disconnect() {
        libvirt.close();
    }

    /** A QCOW2 disk, a raw one, one with its content in a backing file, and a block device. */
    private GuestBuilder allKinds() {
        return lab.guest()
                .disk("vda", disk -> disk.content(Objects.requireNonNull(contents.get("vda"))))
                .disk("vdb", disk -> disk.raw().content(Objects.requireNonNull(contents.get("vdb"))))
                .disk("vdc", disk -> disk.backed().content(Objects.requireNonNull(contents.get("vdc"))))
                .disk("vdd", disk -> disk.block().content(Objects.requireNonNull(contents.get("vdd"))))
                .withoutAgent();
    }

    private WritableDisk open(Guest guest, String disk) {
        return disks.openDisk(new VmId(guest.name()), new DiskId(disk));
    }

    @Test
    void whatIsWrittenIsInTheImageThatTheDomainHas() throws IOException {
        try (Guest guest = allKinds().define()) {
            Path base = guest.folder().resolve("vdc-base.qcow2");
            byte[] untouched = Files.readAllBytes(base);
            List<WritableDisk> open = new ArrayList<>();
            for (Map.Entry<String, byte[]> entry : contents.entrySet()) {
                // All at the same time, as a restore has them.
                WritableDisk disk = open(guest, entry.getKey());
                open.add(disk);
                byte[] content = entry.getValue();
                assertThat(disk.capacity()).isEqualTo(SIZE);
                assertThat(Steps.read(disk.reader(), SIZE)).isEqualTo(content);
                byte[] bytes = Steps.random(9, 70_001);
                disk.writer().write(SIZE - bytes.length, Steps.direct(bytes));
                disk.writer().write(100_003, Steps.direct(bytes));
                disk.writer().zero(MEBIBYTE, MEBIBYTE);
                System.arraycopy(bytes, 0, content, SIZE - bytes.length, bytes.length);
                System.arraycopy(bytes, 0, content, 100_003, bytes.length);
                Arrays.fill(content, MEBIBYTE, 2 * MEBIBYTE, (byte) 0);
                assertThat(Steps.read(disk.reader(), SIZE)).isEqualTo(content);
                disk.writer().flush();
            }
            for (WritableDisk disk : open) {
                disk.close();
                disk.close();
                fails(ErrorCode.CLOSED, () -> Steps.read(disk.reader(), 1));
                fails(ErrorCode.CLOSED, () -> disk.writer().write(0, Steps.direct(new byte[1])));
            }

            for (Map.Entry<String, Path> disk :
                    guest.reference(lab.newFolder("reference")).entrySet()) {
                assertThat(Files.readAllBytes(disk.getValue()))
                        .as(disk.getKey())
                        .isEqualTo(contents.get(disk.getKey()));
            }
            assertThat(Files.readAllBytes(base)).isEqualTo(untouched);
        }
    }

    @Test
    void whatIsWrittenIsInTheBitmaps() {
        try (Guest guest = allKinds().define()) {
            for (String target : List.of("vda", "vdc")) {
                Path image = guest.disk(target).source();
                QemuImg.addBitmap(image, BITMAP);
                try (WritableDisk disk = open(guest, target)) {
                    disk.writer().write(65_536 + 7, Steps.direct(new byte[] {1}));
                    disk.writer().zero(MEBIBYTE, 131_072);
                    disk.writer().write(SIZE - 1, Steps.direct(new byte[] {1}));
                    disk.writer().flush();
                }

                assertThat(QemuImg.chain(image, "qcow2").get(0).bitmaps())
                        .singleElement()
                        .satisfies(bitmap -> assertThat(bitmap.isUsable()).isTrue());
                assertThat(dirty(image))
                        .containsExactly(
                                new Extent(65_536, 65_536),
                                new Extent(MEBIBYTE, 131_072),
                                new Extent(4 * MEBIBYTE, 512));
            }
        }
    }

    private static List<Extent> dirty(Path image) {
        Path socket = Steps.SOCKETS.resolve("genievm-it-" + System.nanoTime() + ".sock");
        String context = "qemu:dirty-bitmap:" + BITMAP;
        List<Extent> dirty = new ArrayList<>();
        try (QemuNbd server = QemuNbd.serve(new QemuNbd.Export(image, "qcow2", false, 1, BITMAP, socket));
                NbdPool pool = NbdPool.open(server.address(), NbdOptions.DEFAULT.withContexts(context), 1)) {
            var ranges =
                    pool.status(0, pool.export().size()).where(context, flags -> (flags & NbdStatusCursor.DIRTY) != 0);
            while (ranges.next()) {
                dirty.add(new Extent(ranges.offset(), ranges.length()));
            }
        }
        return dirty;
    }

    @Test
    void theDomainCanNotBeStartedMeanwhile() {
        try (Guest guest = allKinds().define()) {
            for (String target : contents.keySet()) {
                try (WritableDisk disk = open(guest, target)) {
                    Programs.Result start = KvmLab.virshAttempt("start", guest.name());

                    assertThat(start.status())
                            .as("%s: %s", target, start.output())
                            .isNotZero();
                    assertThat(start.output()).contains("lock");
                    disk.writer().write(0, Steps.direct(new byte[] {1}));
                    disk.writer().flush();
                }
            }
            guest.start();
            assertThat(guest.state()).startsWith("running");
        }
    }

    @Test
    void aDomainThatRunsOrIsSavedIsBusy() {
        try (Guest guest = allKinds().start()) {
            assertThat(fails(ErrorCode.BUSY, () -> open(guest, "vda"))).hasMessageContaining(guest.name());
            guest.suspend();
            fails(ErrorCode.BUSY, () -> open(guest, "vda"));
            KvmLab.virsh("managedsave", guest.name());

            assertThat(fails(ErrorCode.BUSY, () -> open(guest, "vda"))).hasMessageContaining("saved");

            KvmLab.virsh("managedsave-remove", guest.name());
            open(guest, "vda").close();
        }
    }

    @Test
    void whoeverElseWorksAtItIsWaitedFor() {
        try (Guest guest = allKinds().define()) {
            String uuid = libvirt.domain(guest.name()).uuid();
            Claim.Content backup = new Claim.Content("genievm-backup", Owner.self(), List.of());
            try (Claim claim = Claim.take(uuid, backup).claim().orElseThrow()) {
                assertThat(claim).isNotNull();
                assertThat(fails(ErrorCode.BUSY, () -> open(guest, "vda"))).hasMessageContaining("genievm-backup");
            }
            WritableDisk first = open(guest, "vda");
            try (WritableDisk second = open(guest, "vdb")) {
                assertThat(Claim.take(uuid, backup).claim()).isEmpty();
                assertThat(fails(ErrorCode.BUSY, () -> open(guest, "vda"))).hasMessageContaining("'vda'");
                first.close();
                assertThat(Claim.take(uuid, backup).claim()).isEmpty();
                assertThat(second.capacity()).isEqualTo(SIZE);
            } finally {
                first.close();
            }
            try (Claim claim = Claim.take(uuid, backup).claim().orElseThrow()) {
                assertThat(claim).isNotNull();
            }
        }
    }

    @Test
    void whatIsNoDiskToWrite() {
        try (Guest guest = allKinds().emptyCdrom("sda").define()) {
            fails(ErrorCode.NOT_FOUND, () -> open(guest, "vdz"));
            fails(ErrorCode.NOT_FOUND, () -> disks.openDisk(new VmId(lab.newName()), new DiskId("vda")));
            fails(ErrorCode.UNSUPPORTED, () -> open(guest, "sda"));
            String definition = KvmLab.virsh("dumpxml", "--inactive", guest.name());
            for (String flag : List.of("shareable", "readonly")) {
                define(definition.replaceFirst("(<source file='[^']*vdb.raw'/>)", "$1<" + flag + "/>"));
                fails(ErrorCode.UNSUPPORTED, () -> open(guest, "vdb"));
            }
            define(definition);
            open(guest, "vdb").close();
        }
    }

    private void define(String xml) {
        try {
            Path file = Files.writeString(lab.newFolder("definition").resolve("domain.xml"), xml);
            KvmLab.virsh("define", file.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aProcessThatDiesLetsGo() throws InterruptedException, IOException {
        try (Guest guest = allKinds().define()) {
            Path image = guest.disk("vda").source();
            QemuImg.addBitmap(image, BITMAP);
            Process process = Steps.start(WritingProcess.class, guest.name(), "vda");
            fails(ErrorCode.BUSY, () -> open(guest, "vda"));

            Steps.kill9(process);

            byte[] written = Steps.random(1, WritingProcess.LENGTH);
            System.arraycopy(written, 0, contents.get("vda"), 0, written.length);
            try (WritableDisk disk = open(guest, "vda")) {
                assertThat(Steps.read(disk.reader(), SIZE)).isEqualTo(contents.get("vda"));
            }
            assertThat(QemuImg.chain(image, "qcow2").get(0).bitmaps())
                    .singleElement()
                    .satisfies(bitmap -> assertThat(bitmap.isUsable()).isTrue());
            assertThat(dirty(image)).containsExactly(new Extent(0, WritingProcess.LENGTH));
        }
    }

    @Test
    void aServerThatDiesCostsTheBitmapAndNoMore() {
        try (Guest guest = allKinds().define()) {
            Path image = guest.disk("vda").source();
            QemuImg.addBitmap(image, BITMAP);
            byte[] written = Steps.random(1, MEBIBYTE);
            try (WritableDisk disk = open(guest, "vda")) {
                disk.writer().write(0, Steps.direct(written));
                disk.writer().flush();
                ProcessHandle server = ProcessHandle.current()
                        .descendants()
                        .filter(process -> process.info().command().orElse("").endsWith("/qemu-nbd"))
                        .filter(process -> Arrays.toString(
                                        process.info().arguments().orElse(new String[0]))
                                .contains(image.toString()))
                        .findFirst()
                        .orElseThrow();
                server.destroyForcibly();
                server.onExit().join();
                assertThatThrownBy(() -> disk.writer().write(0, Steps.direct(written)))
                        .isInstanceOf(GenieVmException.class);
                assertThatThrownBy(() -> disk.writer().flush()).isInstanceOf(GenieVmException.class);
            }

            System.arraycopy(written, 0, contents.get("vda"), 0, written.length);
            try (WritableDisk disk = open(guest, "vda")) {
                assertThat(Steps.read(disk.reader(), SIZE)).isEqualTo(contents.get("vda"));
                disk.writer().write(0, Steps.direct(written));
                disk.writer().flush();
            }
            // Whoever reads it is told that it does not know everything, so that the next backup reads all.
            assertThat(QemuImg.chain(image, "qcow2").get(0).bitmaps())
                    .singleElement()
                    .satisfies(bitmap -> assertThat(bitmap.isUsable()).isFalse());
        }
    }
}
