package io.genievm.kvm.internal.libvirt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.jna.Native;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.kvm.internal.libvirt.LibvirtDomain.BackupProblem;
import io.genievm.kvm.internal.libvirt.LibvirtDomain.State;
import io.genievm.kvm.lab.Guest;
import io.genievm.kvm.lab.KvmLab;
import io.genievm.kvm.lab.Programs;
import java.io.File;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.libvirt.Connect;
import org.slf4j.LoggerFactory;

/** A real libvirt and real guests. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class LibvirtIT {
    private static final List<String> TARGETS = List.of("sda", "vda", "vdb", "vdc");

    private final LibvirtConnection connection = LibvirtConnection.open(KvmLab.ADDRESS);
    private Path folder;

    @BeforeEach
    void prepare(KvmLab lab) {
        folder = lab.newFolder("a & <b> 'c' ä");
    }

    @AfterEach
    void close() {
        connection.close();
    }

    private static void assertFailsWith(ErrorCode code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(code));
    }

    private static void assertRefused(BackupProblem problem, @Nullable String disk, ThrowingCallable call) {
        assertThatThrownBy(call).isInstanceOfSatisfying(BackupRefusedException.class, e -> {
            assertThat(e.problem()).isEqualTo(problem);
            assertThat(e.disk()).isEqualTo(disk);
        });
    }

    private static List<String> allBut(List<String> all, String target) {
        return all.stream().filter(each -> !each.equals(target)).toList();
    }

    /** Begins a backup of one disk. */
    private void begin(LibvirtDomain domain, String target, @Nullable String since, @Nullable String checkpoint) {
        List<String> left = allBut(
                DomainXml.parse(domain.xml(false)).disks().stream()
                        .map(DomainXml.Disk::target)
                        .toList(),
                target);
        domain.beginBackup(
                BackupXml.backup(
                        folder.resolve("s.sock"),
                        List.of(new BackupXml.BackupDisk(target, folder.resolve("scratch"), since, "changes")),
                        left),
                checkpoint == null ? null : BackupXml.checkpoint(checkpoint, "", null, List.of(target), left));
    }

    @Test
    void aGuestThatRuns(KvmLab lab) {
        try (Guest guest = lab.guest().usual().start()) {
            LibvirtDomain domain = connection.domain(guest.name());
            assertThat(connection.domains().stream().map(LibvirtDomain::name)).contains(guest.name());
            assertThat(domain.name()).isEqualTo(guest.name());
            assertThat(domain.isPersistent()).isTrue();
            assertThat(domain.state()).isEqualTo(State.RUNNING);
            DomainXml xml = DomainXml.parse(domain.xml(false));
            assertThat(xml.uuid()).isEqualTo(domain.uuid());
            assertThat(xml.hasAgentChannel()).isTrue();
            assertThat(xml.disks().stream().map(DomainXml.Disk::target)).isEqualTo(TARGETS);
            assertThat(xml.disks().get(0).hasSource()).isFalse();
            assertThat(domain.capacity("vdc")).isEqualTo((24 << 20) + 5 * 512);
            assertFailsWith(ErrorCode.NOT_FOUND, () -> domain.capacity("vdx"));

            freezingAndThawing(domain, guest);
            pausing(domain, guest);
            checkpointsAndJobs(domain);
            whatIsRefused(domain);
            assertFailsWith(ErrorCode.BUSY, domain::undefine);
            assertThat(domain.isPersistent()).isTrue();
        }
        assertFailsWith(ErrorCode.NOT_FOUND, () -> connection.domain("genievm-it-none"));
    }

    private static void freezingAndThawing(LibvirtDomain domain, Guest guest) {
        assertThat(domain.isFrozen()).contains(false);
        domain.thaw();
        domain.freeze();
        assertThat(domain.isFrozen()).contains(true);
        assertThat(guest.freezeStatus()).isEqualTo("frozen");
        assertFailsWith(ErrorCode.IO_ERROR, domain::freeze);
        domain.thaw();
        assertThat(domain.isFrozen()).contains(false);
    }

    private static void pausing(LibvirtDomain domain, Guest guest) {
        domain.resume();
        guest.suspend();
        assertThat(domain.state()).isEqualTo(State.PAUSED);
        assertThat(domain.isFrozen()).isEmpty();
        domain.resume();
        assertThat(domain.state()).isEqualTo(State.RUNNING);
    }

    private void checkpointsAndJobs(LibvirtDomain domain) {
        assertThat(domain.runningJob()).isEmpty();
        assertThat(domain.backupXml()).isEmpty();
        domain.abortJob();
        begin(domain, "vda", null, "cp1");
        assertThat(domain.runningJob()).contains("backup");
        String job = domain.backupXml().orElseThrow();
        assertThat(BackupXml.socketOf(job)).isEqualTo(folder.resolve("s.sock"));
        assertThat(BackupXml.scratchFilesOf(job)).containsExactly(folder.resolve("scratch"));
        assertThat(folder.resolve("scratch")).exists();
        domain.freeze();
        domain.thaw();
        domain.abortJob();
        assertThat(domain.runningJob()).isEmpty();
        assertThat(folder.resolve("scratch")).doesNotExist();

        begin(domain, "vda", "cp1", "cp2");
        assertThat(domain.checkpoints().stream()
                        .collect(Collectors.toMap(LibvirtDomain.Checkpoint::name, LibvirtDomain.Checkpoint::bitmaps)))
                .isEqualTo(Map.of("cp1", Map.of("vda", "cp1"), "cp2", Map.of("vda", "cp2")));
        domain.deleteCheckpoint("cp1", false);
        domain.deleteCheckpoint("cp1", false);
        domain.abortJob();

        domain.deleteCheckpoint("cp2", true);
        assertThat(domain.checkpoints()).isEmpty();
        assertFailsWith(ErrorCode.ALREADY_EXISTS, () -> begin(domain, "vda", null, "cp2"));
        domain.redefineCheckpoint(
                BackupXml.checkpoint("cp2", "again", 1_700_000_000L, List.of("vda"), allBut(TARGETS, "vda")));
        assertThat(domain.checkpoints())
                .containsExactly(new LibvirtDomain.Checkpoint("cp2", "again", 1_700_000_000L, Map.of("vda", "cp2")));
        begin(domain, "vda", "cp2", null);
        domain.abortJob();
        assertFailsWith(ErrorCode.ALREADY_EXISTS, () -> begin(domain, "vda", null, "cp2"));
    }

    private void whatIsRefused(LibvirtDomain domain) {
        assertRefused(BackupProblem.CHECKPOINT_UNSUPPORTED, "vdb", () -> begin(domain, "vdb", null, "cp3"));
        assertRefused(BackupProblem.CHECKPOINT_UNUSABLE, "vda", () -> begin(domain, "vda", "none", null));
        assertRefused(BackupProblem.CHECKPOINT_UNUSABLE, "vdc", () -> begin(domain, "vdc", "cp2", null));
        Path whole = folder;
        folder = folder.resolve("missing");
        assertFailsWith(ErrorCode.NOT_FOUND, () -> begin(domain, "vda", null, null));
        folder = whole;
        assertThat(domain.runningJob()).isEmpty();
    }

    @Test
    void bitmapsOfAGuestThatWasKilled(KvmLab lab) {
        try (Guest guest = lab.guest()
                .disk("vda", disk -> disk.size(16 << 20))
                .disk("vdb", disk -> disk.size(16 << 20))
                .start()) {
            LibvirtDomain domain = connection.domain(guest.name());
            begin(domain, "vda", null, "persisted");
            domain.abortJob();
            guest.destroy();
            guest.start();
            begin(domain, "vda", "persisted", "lost");
            domain.abortJob();
            begin(domain, "vda", null, null);
            guest.kill9();
            assertThat(domain.state()).isEqualTo(State.SHUT_OFF);
            assertThat(domain.backupXml()).isEmpty();
            assertThat(domain.runningJob()).isEmpty();
            guest.start();

            assertRefused(BackupProblem.CHECKPOINT_UNUSABLE, "vda", () -> begin(domain, "vda", "persisted", null));
            assertRefused(BackupProblem.CHECKPOINT_UNUSABLE, "vda", () -> begin(domain, "vda", "lost", null));
            domain.deleteCheckpoint("persisted", false);
            assertFailsWith(ErrorCode.IO_ERROR, () -> domain.deleteCheckpoint("lost", false));
            domain.deleteCheckpoint("lost", true);
            assertThat(domain.checkpoints()).isEmpty();
            begin(domain, "vda", null, "new");
            domain.abortJob();
        }
    }

    @Test
    void anImageThatIsTooOldForBitmaps(KvmLab lab) {
        try (Guest guest = lab.guest()
                .disk("vda", disk -> disk.size(16 << 20))
                .disk("vdb", disk -> disk.oldQcow2().size(16 << 20))
                .withoutAgent()
                .start()) {
            LibvirtDomain domain = connection.domain(guest.name());
            assertRefused(BackupProblem.CHECKPOINT_UNSUPPORTED, "vdb", () -> begin(domain, "vdb", null, "cp1"));
            begin(domain, "vdb", null, null);
            domain.abortJob();
            assertThat(domain.isFrozen()).isEmpty();
            assertFailsWith(ErrorCode.UNSUPPORTED, domain::freeze);
        }
    }

    @Test
    void aGuestWhoseScratchFilesFindNoSpace(KvmLab lab) {
        try (Guest guest = lab.guest()
                .disk("vda", disk -> disk.size(64 << 20))
                .withoutAgent()
                .start()) {
            LibvirtDomain domain = connection.domain(guest.name());
            guest.writeAt("vda", 0, new byte[16 << 20]);
            folder = lab.newTmpfs("2m");
            begin(domain, "vda", null, null);
            guest.background("dd if=/dev/urandom of=/dev/vda bs=1M count=16 oflag=direct");
            await(() -> domain.state() == State.PAUSED_BY_IO_ERROR);
            domain.abortJob();
            domain.resume();
            assertThat(domain.state()).isEqualTo(State.RUNNING);
        }
    }

    private static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(end);
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    @Test
    void aGuestThatIsOff(KvmLab lab) throws Exception {
        try (Guest guest = lab.guest().usual().define()) {
            LibvirtDomain domain = connection.domain(guest.name());
            assertThat(domain.state()).isEqualTo(State.SHUT_OFF);
            assertThat(domain.capacity("vdc")).isEqualTo((24 << 20) + 5 * 512);
            assertThat(domain.runningJob()).isEmpty();
            assertThat(domain.backupXml()).isEmpty();
            assertThat(domain.isFrozen()).isEmpty();
            domain.abortJob();
            domain.thaw();
            assertFailsWith(ErrorCode.IO_ERROR, domain::freeze);
            assertFailsWith(ErrorCode.IO_ERROR, domain::resume);
            assertFailsWith(ErrorCode.UNSUPPORTED, () -> begin(domain, "vda", null, null));

            Programs.run(
                    "qemu-img", "bitmap", "--add", guest.disk("vda").source().toString(), "off");
            domain.redefineCheckpoint(
                    BackupXml.checkpoint("off", "", 1_700_000_000L, List.of("vda"), allBut(TARGETS, "vda")));
            guest.start();
            begin(domain, "vda", "off", null);
            domain.abortJob();
            KvmLab.virsh("managedsave", guest.name());
            assertThat(domain.state()).isEqualTo(State.SAVED);
            assertFailsWith(ErrorCode.BUSY, domain::undefine);
            KvmLab.virsh("managedsave-remove", guest.name());
            domain.undefine();
            assertFailsWith(ErrorCode.NOT_FOUND, domain::state);
        }
    }

    @Test
    void newDomainsReplaceNone(KvmLab lab) throws Exception {
        String name = lab.newName() + "-ü";
        Path nvram = folder.resolve("vars.fd");
        Files.write(nvram, new byte[528 << 10]);
        String xml = "<domain type='qemu'><name>" + name + "</name><memory unit='MiB'>64</memory>"
                + "<os><type arch='x86_64' machine='q35'>hvm</type><loader readonly='yes' type='pflash'>"
                + XmlText.escape(nvram.toString()) + "</loader><nvram>" + XmlText.escape(nvram.toString())
                + "</nvram></os><features><acpi/></features></domain>";
        LibvirtDomain domain = connection.define(xml);
        try {
            assertThat(domain.name()).isEqualTo(name);
            assertThat(domain.uuid()).hasSize(36);
            assertThat(DomainXml.parse(domain.xml(true)).name()).isEqualTo(name);
            assertFailsWith(ErrorCode.ALREADY_EXISTS, () -> connection.define(xml));
            assertThat(connection.domain(name).uuid()).isEqualTo(domain.uuid());
            assertFailsWith(
                    ErrorCode.INVALID_ARGUMENT,
                    () -> connection.define("<domain type='qemu'><name>" + lab.newName() + "</name></domain>"));
        } finally {
            domain.undefine();
        }
        assertThat(nvram).exists();
    }

    @Test
    void connectionsThatAreCutAreMadeAnew(KvmLab lab) throws Exception {
        Path socket = lab.newFolder("relay").resolve("s");
        String uri = "qemu:///system?socket=" + socket;
        try (Guest guest = lab.guest().disk("vda", disk -> disk.size(16 << 20)).start();
                SocketRelay relay = new SocketRelay(socket, SocketRelay.daemonSocket())) {
            LibvirtDomain domain;
            try (LibvirtConnection relayed = LibvirtConnection.open(uri)) {
                domain = relayed.domain(guest.name());
                callsGoOnAfterCuts(relay, relayed, domain);
                aCallThatWaitsHoldsUpNoOther(relay, domain);
            }
            assertFailsWith(ErrorCode.CLOSED, domain::state);
            await(() -> relay.openConnections() == 0);
        }
        assertFailsWith(ErrorCode.NOT_FOUND, () -> LibvirtConnection.open(uri));
    }

    private static void callsGoOnAfterCuts(SocketRelay relay, LibvirtConnection relayed, LibvirtDomain domain) {
        assertThat(relay.connections()).isEqualTo(1);
        relay.cut();
        assertThat(domain.state()).isEqualTo(State.RUNNING);
        relay.cut();
        assertThat(relayed.domains()).isNotEmpty();
        relay.cut();
        domain.freeze();
        relay.cut();
        domain.thaw();
        assertThat(relay.connections()).isEqualTo(5);
        assertThat(relay.openConnections()).isEqualTo(1);
    }

    private void aCallThatWaitsHoldsUpNoOther(SocketRelay relay, LibvirtDomain domain) throws InterruptedException {
        begin(domain, "vda", null, null);
        // It waits for half a minute, in the daemon even when its client is gone.
        CompletableFuture<Void> second = CompletableFuture.runAsync(() -> begin(domain, "vda", null, null));
        Thread.sleep(500);
        assertThat(second).isNotDone();
        long before = System.nanoTime();
        for (int i = 0; i < 50; i++) {
            domain.state();
            domain.runningJob();
            domain.isFrozen();
            domain.thaw();
        }
        assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(25));
        relay.cut();
        assertThatThrownBy(second::get)
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.TRANSIENT_IO_ERROR));
        domain.abortJob();
    }

    @Test
    void nothingIsPrintedAndTheLocaleDoesNotMatter(KvmLab lab) throws Exception {
        String name = lab.newName() + "-äß中";
        LibvirtDomain domain = connection.define(
                "<domain type='qemu'><name>" + name
                        + "</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os></domain>");
        try {
            String code = Stream.of(
                            LibvirtConnection.class,
                            GenieVmException.class,
                            Connect.class,
                            Native.class,
                            LoggerFactory.class,
                            Nullable.class)
                    .map(each -> Path.of(uriOf(each)).toString())
                    .collect(Collectors.joining(File.pathSeparator));
            List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-cp",
                    Path.of("target", "test-classes").toAbsolutePath() + File.pathSeparator + code,
                    QuietProgram.class.getName(),
                    KvmLab.ADDRESS,
                    name.chars().mapToObj(Integer::toHexString).collect(Collectors.joining(","))));
            Path stdout = folder.resolve("stdout");
            Path stderr = folder.resolve("stderr");
            ProcessBuilder builder =
                    new ProcessBuilder(command).redirectOutput(stdout.toFile()).redirectError(stderr.toFile());
            builder.environment().put("LC_ALL", "C");
            assertThat(builder.start().waitFor(1, TimeUnit.MINUTES)).isTrue();

            assertThat(Files.readString(stderr, StandardCharsets.UTF_8)
                            .lines()
                            // What the logging API says where it has nothing to log to.
                            .filter(line -> !line.startsWith("SLF4J")))
                    .isEmpty();
            assertThat(Files.readAllLines(stdout))
                    .containsExactly(
                            "NOT_FOUND",
                            "NOT_FOUND",
                            "NOT_FOUND",
                            "INVALID_ARGUMENT",
                            "IO_ERROR",
                            "IO_ERROR",
                            "same name");
        } finally {
            domain.undefine();
        }
    }

    private static URI uriOf(Class<?> type) {
        try {
            return type.getProtectionDomain().getCodeSource().getLocation().toURI();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void theHostHasOneUuid() {
        try (LibvirtConnection other = LibvirtConnection.open(KvmLab.ADDRESS)) {
            assertThat(other.hostUuid()).isEqualTo(connection.hostUuid()).matches("[0-9a-f-]{36}");
            assertThat(other.uri()).isEqualTo(KvmLab.ADDRESS);
        }
    }
}
