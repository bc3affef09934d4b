package io.genievm.kvm.internal.restore;

import static io.genievm.kvm.internal.restore.Steps.assertHolds;
import static io.genievm.kvm.internal.restore.Steps.fails;
import static io.genievm.kvm.internal.restore.Steps.fill;
import static io.genievm.kvm.internal.restore.Steps.hidden;
import static io.genievm.kvm.internal.restore.Steps.request;
import static io.genievm.kvm.internal.restore.Steps.shown;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.api.hypervisor.VmCreation.NewVmRequest;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.lab.Guest;
import io.genievm.kvm.lab.KvmLab;
import io.genievm.kvm.lab.Programs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;

/** Makes domains with a real libvirt. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class NewDomainsIT {
    private static final int MEBIBYTE = 1 << 20;
    private static final Map<String, Long> ONE_DISK = Map.of("vda", 8L * MEBIBYTE);

    private KvmLab lab;
    private LibvirtConnection libvirt;
    private NewDomains domains;
    private Path folder;
    private String name;

    @BeforeEach
    void connect(KvmLab given) {
        lab = given;
        libvirt = LibvirtConnection.open(KvmLab.ADDRESS);
        domains = new NewDomains(libvirt, Steps.SOCKETS);
        folder = lab.newFolder("new");
        name = lab.newName();
    }

    @AfterEach
    void removeWhatWasMade() {
        KvmLab.virshAttempt("destroy", name);
        KvmLab.virshAttempt("undefine", name, "--nvram");
        libvirt.close();
    }

    @Test
    void aNewDomainHasTheSameDisksIsAnotherAndRunsBesideTheOld() throws IOException {
        try (Guest guest = lab.guest().usual().network().define()) {
            SortedMap<String, Path> disks = guest.reference(lab.newFolder("reference"));
            Map<String, String> hardware = Hardware.of(libvirt.domain(guest.name()));
            Map<String, Long> capacities = new HashMap<>();
            for (Map.Entry<String, Path> disk : disks.entrySet()) {
                capacities.put(disk.getKey(), Files.size(disk.getValue()));
            }

            try (NewVm vm = domains.create(request(name, capacities, hardware, options()))) {
                for (Map.Entry<String, Path> disk : disks.entrySet()) {
                    fill(vm, disk.getKey(), Files.readAllBytes(disk.getValue()));
                }
                assertThat(lab.domains()).doesNotContain(name);
                assertThat(shown(folder)).isEmpty();
                assertThat(vm.complete()).isEqualTo(new VmId(name));
                assertThatThrownBy(vm::complete).isInstanceOf(IllegalStateException.class);
            }

            assertThat(hidden(folder)).isEmpty();
            assertThat(shown(folder)).containsExactly(name + "-vda.qcow2", name + "-vdb.qcow2", name + "-vdc.qcow2");
            for (Map.Entry<String, Path> disk : disks.entrySet()) {
                Path file = folder.resolve(name + "-" + disk.getKey() + ".qcow2");
                assertHolds(file, "qcow2", disk.getValue());
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                        .isEqualTo("rw-------");
            }
            assertIsAnother(definition(guest.name()), definition(name));
            assertThat(KvmLab.virsh("domstate", name)).isEqualTo("shut off");
            guest.start();
            KvmLab.virsh("start", name);
            awaitAgent();
            assertThat(guest.state()).startsWith("running");
            makesOneOfWhatRuns(guest, capacities);
        }
    }

    /** As a transient domain has no other definition. */
    private void makesOneOfWhatRuns(Guest guest, Map<String, Long> capacities) {
        String live = libvirt.domain(guest.name()).xml(false);
        String another = lab.newName();
        try (NewVm vm = domains.create(request(another, capacities, Map.of("domain.xml", live), options()))) {
            vm.complete();
        }
        assertIsAnother(definition(guest.name()), definition(another));
        KvmLab.virsh("undefine", another);
    }

    private static void assertIsAnother(Document old, Document made) {
        for (String path : List.of("/domain/uuid", "//mac/@address")) {
            assertThat(NewDomainXmlTest.text(made, path)).hasSize(1).isNotEqualTo(NewDomainXmlTest.text(old, path));
        }
        for (String path : List.of("/domain/memory", "/domain/os/*", "//disk/target/@dev", "//channel/target/@name")) {
            assertThat(NewDomainXmlTest.text(made, path)).isNotEmpty().isEqualTo(NewDomainXmlTest.text(old, path));
        }
        assertThat(NewDomainXmlTest.text(made, "//disk[@device = 'cdrom']")).hasSize(1);
        assertThat(NewDomainXmlTest.text(made, "//disk[@device = 'cdrom']/source"))
                .isEmpty();
    }

    private void awaitAgent() {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(2);
        while (KvmLab.virshAttempt("qemu-agent-command", name, "{\"execute\":\"guest-ping\"}")
                        .status()
                != 0) {
            assertThat(System.nanoTime() - end).as("the agent does not answer").isNegative();
        }
    }

    @ParameterizedTest
    @CsvSource({"qcow2,true", "qcow2,false", "raw,true", "raw,false"})
    void disksOfAnySize(String format, boolean thin) throws IOException {
        Map<String, byte[]> disks = new TreeMap<>(Map.of(
                "vda", Steps.random(1, 3 * MEBIBYTE + 1000),
                "vdb", new byte[0],
                "vdc", Steps.random(2, 1),
                "a disk, of another=hypervisor.img", Steps.random(3, 512 * 77)));
        Map<String, Long> capacities = new HashMap<>();
        disks.forEach((disk, bytes) -> capacities.put(disk, (long) bytes.length));
        Map<String, String> options = options("format", format, "thin", "" + thin, "type", "qemu");

        try (NewVm vm = domains.create(request(name, capacities, Map.of(), options))) {
            for (Map.Entry<String, byte[]> disk : disks.entrySet()) {
                fill(vm, disk.getKey(), disk.getValue());
            }
            try (DiskWriter writer = vm.openWriter(new DiskId("vda"))) {
                writer.zero(MEBIBYTE, 2 * MEBIBYTE + 1000);
                writer.write(3 * MEBIBYTE, Steps.direct(new byte[] {1, 2, 3}));
                assertThatThrownBy(() -> writer.write(3 * MEBIBYTE + 999, ByteBuffer.allocateDirect(2)))
                        .isInstanceOf(IllegalArgumentException.class);
                assertThatThrownBy(() -> writer.zero(0, 3 * MEBIBYTE + 1001))
                        .isInstanceOf(IllegalArgumentException.class);
                writer.flush();
            }
            vm.complete();
        }

        Arrays.fill(disks.get("vda"), MEBIBYTE, 3 * MEBIBYTE + 1000, (byte) 0);
        System.arraycopy(new byte[] {1, 2, 3}, 0, disks.get("vda"), 3 * MEBIBYTE, 3);
        Path reference = lab.newFolder("reference").resolve("disk");
        for (Map.Entry<String, byte[]> disk : disks.entrySet()) {
            Path file = folder.resolve(name + "-" + disk.getKey() + "." + format);
            if (format.equals("raw")) {
                assertThat(Files.readAllBytes(file)).as(disk.getKey()).isEqualTo(disk.getValue());
            } else {
                assertHolds(file, format, Files.write(reference, disk.getValue()));
            }
        }
        assertThat(NewDomainXmlTest.text(definition(name), "//disk/target/@dev"))
                .containsExactlyInAnyOrder("vda", "vdb", "vdc", "vdd");
    }

    @Test
    void aDiskThatWasNotWrittenTakesSpaceOnlyWhenItIsNotThin() throws IOException {
        for (String format : List.of("qcow2", "raw")) {
            for (boolean thin : new boolean[] {true, false}) {
                try (NewVm vm = domains.create(
                        request(name, ONE_DISK, Map.of(), options("format", format, "thin", "" + thin)))) {
                    Path file = folder.resolve(hidden(folder).get(0));
                    long taken = Long.parseLong(Programs.run("stat", "-c", "%b", file.toString())) * 512;
                    assertThat(taken >= 8 * MEBIBYTE)
                            .as("%s, thin %s, takes %s", format, thin, taken)
                            .isNotEqualTo(thin);
                    assertThat(vm).isNotNull();
                }
            }
        }
    }

    @Test
    void everythingThatADesktopHas() throws IOException {
        byte[] variables = Steps.random(5, 540_672);
        Path nvram = Files.write(lab.newFolder("nvram").resolve("VARS.fd"), variables);
        // What this QEMU and this host have: the rest is for libvirt to accept.
        String definition = without(
                NewDomainXmlTest.DESKTOP,
                xml -> xml.replaceAll("(?s)<graphics type='spice'.*?</graphics>", "")
                        .replaceAll("<channel type='spicevmc'>.*?</channel>", "")
                        .replaceAll("<graphics type='vnc' socket.*?</graphics>", "")
                        .replace("<graphics type='vnc' port", "<graphics type='vnc' passwd='*****' port"));
        Map<String, String> hardware = Hardware.of("desktop", definition, Optional.of(nvram));
        Map<String, Long> disks = Map.of("sda", 1L * MEBIBYTE, "vda", 1L * MEBIBYTE);

        assertThat(fails(
                        ErrorCode.INVALID_ARGUMENT,
                        () -> domains.create(request(name, disks, hardware, options("type", "qemu")))))
                .hasMessageContainingAll("hostdev, qemu:commandline", "'host-access'");
        assertThat(shown(folder)).isEmpty();
        assertThat(hidden(folder)).isEmpty();
        NewVmRequest trusting = request(name, disks, hardware, options("type", "qemu", "host-access", "keep"));
        try (NewVm vm = domains.create(trusting)) {
            vm.complete();
        }

        Document made = definition(name);
        assertThat(NewDomainXmlTest.text(made, "/domain/uuid"))
                .hasSize(1)
                .doesNotContain("3fb5ab77-3e0c-4c4d-9b5e-0d9d0a8b7b10");
        assertThat(NewDomainXmlTest.text(made, "/domain/genid"))
                .hasSize(1)
                .doesNotContain("43dc0cf8-809b-4adb-9bea-a9abb5f3d90e", "");
        assertThat(NewDomainXmlTest.text(made, "//interface/mac/@address"))
                .hasSize(2)
                .doesNotContain("52:54:00:12:34:56", "52:54:00:12:34:57");
        assertThat(NewDomainXmlTest.text(made, "/domain/os/nvram"))
                .containsExactly(folder.resolve(name + "_VARS.fd").toString());
        assertThat(Files.readAllBytes(folder.resolve(name + "_VARS.fd"))).isEqualTo(variables);
        assertThat(NewDomainXmlTest.text(made, "//graphics/@autoport")).containsExactly("yes");
        assertThat(Hardware.of(libvirt.domain(name)).get("nvram.gz")).isEqualTo(hardware.get("nvram.gz"));
    }

    @Test
    void aNameThatADomainHas() {
        try (Guest guest = lab.guest().disk("vda", disk -> {}).withoutAgent().define()) {
            fails(
                    ErrorCode.ALREADY_EXISTS,
                    () -> domains.create(request(guest.name(), ONE_DISK, Map.of(), options("type", "qemu"))));

            assertThat(hidden(folder)).isEmpty();
            assertThat(guest.state()).startsWith("shut off");
        }
    }

    @Test
    void aNameThatADomainGetsMeanwhile() {
        try (NewVm vm = domains.create(request(name, ONE_DISK, Map.of(), options("type", "qemu")))) {
            Path other = lab.newFolder("other");
            try (NewVm first = domains.create(
                    request(name, ONE_DISK, Map.of(), Map.of("folder", other.toString(), "type", "qemu")))) {
                first.complete();
            }
            String uuid = KvmLab.virsh("domuuid", name);

            fails(ErrorCode.ALREADY_EXISTS, vm::complete);

            assertThat(shown(folder)).isEmpty();
            assertThat(KvmLab.virsh("domuuid", name)).isEqualTo(uuid);
            assertThat(shown(other)).hasSize(1);
        }
        assertThat(hidden(folder)).isEmpty();
    }

    @Test
    void filesThatAreThereAreNotOverwritten() throws IOException {
        Path there = folder.resolve(name + "-vdb.qcow2");
        Map<String, Long> disks = Map.of("vda", 1L * MEBIBYTE, "vdb", 1L * MEBIBYTE, "vdc", 1L * MEBIBYTE);
        NewVmRequest request = request(name, disks, Map.of(), options("type", "qemu"));
        try (NewVm vm = domains.create(request)) {
            // It comes after the VM was begun, and is found when some files have their names already.
            Files.writeString(there, "somebody's");
            fails(ErrorCode.ALREADY_EXISTS, vm::complete);
            assertThat(shown(folder)).containsExactly(there.getFileName().toString());
        }
        assertThat(there).hasContent("somebody's");
        assertThat(hidden(folder)).isEmpty();

        assertThat(fails(ErrorCode.ALREADY_EXISTS, () -> domains.create(request)))
                .hasMessageContaining(there.toString());
        Files.delete(there);
        Files.createSymbolicLink(there, folder.resolve("nowhere"));
        fails(ErrorCode.ALREADY_EXISTS, () -> domains.create(request));
        assertThat(Files.isSymbolicLink(there)).isTrue();
        assertThat(hidden(folder)).isEmpty();
        assertThat(lab.domains()).doesNotContain(name);
    }

    @Test
    void whatLibvirtRefusesLeavesNothing() throws IOException {
        Map<String, String> hardware = Map.of(
                "domain.xml",
                NewDomainXml.PLAIN.replace("machine='q35'", "machine='no-such-machine'"),
                "nvram.gz",
                Hardware.of("x", "", Optional.of(Files.write(folder.resolve("variables"), new byte[100])))
                        .get("nvram.gz"));
        try (NewVm vm = domains.create(request(name, ONE_DISK, hardware, options("type", "qemu")))) {
            fill(vm, "vda", Steps.random(1, MEBIBYTE));

            assertThatThrownBy(vm::complete).hasMessageContaining("define VM '" + name + "'");

            assertThat(shown(folder)).containsExactly("variables");
        }
        assertThat(hidden(folder)).isEmpty();
        assertThat(lab.domains()).doesNotContain(name);
    }

    @Test
    void whatADeadProcessLeavesIsNoVmAndGoesWithTheNext() throws InterruptedException {
        try (NewVm living = domains.create(request(lab.newName(), ONE_DISK, Map.of(), options("type", "qemu")))) {
            List<String> ofTheLiving = hidden(folder);
            Process process = Steps.start(CreatingProcess.class, name, folder.toString());
            assertThat(hidden(folder)).hasSize(2);

            Steps.kill9(process);

            assertThat(lab.domains()).doesNotContain(name);
            assertThat(shown(folder)).isEmpty();
            assertThat(hidden(folder)).hasSize(2);
            try (NewVm vm = domains.create(request(name, ONE_DISK, Map.of(), options("type", "qemu")))) {
                assertThat(hidden(folder)).hasSize(2).containsAll(ofTheLiving);
                vm.complete();
            }
            assertThat(hidden(folder)).isEqualTo(ofTheLiving);
            living.complete();
        }
    }

    @Test
    void whatWasNotCompletedIsGone() {
        NewVm vm = domains.create(request(name, ONE_DISK, Map.of(), options("type", "qemu")));
        DiskWriter writer = vm.openWriter(new DiskId("vda"));
        writer.write(0, Steps.direct(Steps.random(1, MEBIBYTE)));
        assertThatThrownBy(() -> vm.openWriter(new DiskId("vda"))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> vm.openWriter(new DiskId("vdb"))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(vm::complete).isInstanceOf(IllegalStateException.class);

        vm.close();
        vm.close();

        fails(ErrorCode.CLOSED, () -> writer.write(0, Steps.direct(new byte[1])));
        fails(ErrorCode.CLOSED, writer::flush);
        fails(ErrorCode.CLOSED, () -> vm.openWriter(new DiskId("vda")));
        fails(ErrorCode.CLOSED, vm::complete);
        writer.close();
        assertThat(hidden(folder)).isEmpty();
        assertThat(shown(folder)).isEmpty();
    }

    @Test
    void whatIsClosedWhileItIsWrittenIsGone() throws Exception {
        NewVm vm = domains.create(request(name, ONE_DISK, Map.of(), options("type", "qemu")));
        DiskWriter writer = vm.openWriter(new DiskId("vda"));
        CountDownLatch writing = new CountDownLatch(1);
        CompletableFuture<ErrorCode> end = CompletableFuture.supplyAsync(() -> {
            ByteBuffer bytes = Steps.direct(Steps.random(1, MEBIBYTE));
            try {
                while (true) {
                    writer.write(0, bytes.rewind());
                    writing.countDown();
                }
            } catch (GenieVmException e) {
                return e.code();
            }
        });
        writing.await();

        vm.close();

        assertThat(end.get(1, TimeUnit.MINUTES)).isEqualTo(ErrorCode.CLOSED);
        assertThat(hidden(folder)).isEmpty();
    }

    @Test
    void aFullFileSystem() {
        Path small = lab.newTmpfs("4m");
        Map<String, String> options = Map.of("folder", small.toString(), "type", "qemu");
        try (NewVm vm = domains.create(request(name, ONE_DISK, Map.of(), options))) {
            fails(ErrorCode.NO_SPACE, () -> fill(vm, "vda", Steps.random(1, 8 * MEBIBYTE)));
        }
        assertThat(hidden(small)).isEmpty();

        Map<String, String> thick = new HashMap<>(options);
        thick.put("thin", "false");
        fails(ErrorCode.NO_SPACE, () -> domains.create(request(name, ONE_DISK, Map.of(), thick)));
        assertThat(hidden(small)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5})
    void cancelledAtAnyMoment(int looks) {
        AtomicInteger left = new AtomicInteger(looks);
        Cancellation cancellation = new Cancellation() {
            @Override
            public boolean isCancelled() {
                return left.getAndDecrement() <= 0;
            }

            @Override
            public void onCancel(Runnable action) {
                if (left.get() <= 0) {
                    action.run();
                }
            }
        };
        NewVmRequest request = request(
                name, Map.of("vda", 1L * MEBIBYTE, "vdb", 1L * MEBIBYTE, "vdc", 1L * MEBIBYTE), Map.of(), options());

        fails(
                ErrorCode.CANCELLED,
                () -> domains.create(
                        new NewVmRequest(name, request.disks(), Map.of(), options("type", "qemu"), cancellation)));

        assertThat(hidden(folder)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "a/b", "..", "a\nb", ".genievm-x", "\uFFFF"})
    void namesThatCanNotBe(String bad) {
        assertThat(fails(
                        ErrorCode.INVALID_ARGUMENT,
                        () -> domains.create(request(bad, ONE_DISK, Map.of(), options("type", "qemu")))))
                .hasMessageContaining("name");
        assertThat(hidden(folder)).isEmpty();
    }

    @Test
    void whatElseCanNotBe() {
        fails(
                ErrorCode.INVALID_ARGUMENT,
                () -> domains.create(request("x".repeat(250), ONE_DISK, Map.of(), options("type", "qemu"))));
        fails(
                ErrorCode.INVALID_ARGUMENT,
                () -> domains.create(request(name, ONE_DISK, Map.of(), options("no-such-option", "1"))));
        fails(
                ErrorCode.INVALID_ARGUMENT,
                () -> domains.create(request(name, Map.of("vda", -1L), Map.of(), options("type", "qemu"))));
        fails(
                ErrorCode.IO_ERROR,
                () -> domains.create(request(name, ONE_DISK, Map.of("domain.xml", "?"), options("type", "qemu"))));
        fails(
                ErrorCode.IO_ERROR,
                () -> domains.create(request(name, ONE_DISK, Map.of("nvram.gz", "?"), options("type", "qemu"))));
        assertThat(hidden(folder)).isEmpty();
    }

    @Test
    void aNameOfStrangeCharacters() {
        String strange = name + " <&'\",=%\u00e4\ud83d\ude00";
        try (NewVm vm = domains.create(request(strange, ONE_DISK, Map.of(), options("type", "qemu")))) {
            fill(vm, "vda", Steps.random(1, MEBIBYTE));
            assertThat(vm.complete()).isEqualTo(new VmId(strange));
        }
        assertThat(libvirt.domain(strange).name()).isEqualTo(strange);
        assertThat(NewDomainXmlTest.text(
                        NewDomainXmlTest.parse(libvirt.domain(strange).xml(true)), "//disk/source/@file"))
                .containsExactly(folder.resolve(strange + "-vda.qcow2").toString());
        libvirt.domain(strange).undefine();
    }

    private Map<String, String> options(String... more) {
        Map<String, String> options = new HashMap<>(Map.of("folder", folder.toString()));
        for (int i = 0; i < more.length; i += 2) {
            options.put(more[i], more[i + 1]);
        }
        return options;
    }

    private static Document definition(String domain) {
        return NewDomainXmlTest.parse(KvmLab.virsh("dumpxml", "--inactive", domain));
    }

    private static String without(String xml, UnaryOperator<String> change) {
        String changed = change.apply(xml);
        assertThat(changed).isNotEqualTo(xml);
        return changed;
    }
}
