package io.genievm.kvm.internal.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.kvm.lab.Guest;
import io.genievm.kvm.lab.KvmLab;
import io.genievm.kvm.lab.Programs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** The guardian of a real guest, while the process that it stands by lives, and when that is killed. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class GuardianIT {
    private static final Duration SOON = Duration.ofSeconds(3);

    private static KvmLab lab;
    private static Guest guest;
    private static String uuid;

    private Path folder;
    private Path socket;
    private Path scratch;
    private Path backup;

    @BeforeAll
    static void guest(KvmLab opened) {
        lab = opened;
        guest = lab.guest().usual().start();
        uuid = KvmLab.virsh("domuuid", guest.name()).strip();
    }

    @AfterAll
    static void close() {
        if (guest != null) {
            guest.close();
        }
    }

    @BeforeEach
    void files() throws IOException {
        folder = lab.newFolder("guard");
        socket = folder.resolve("a <socket> & 'more'");
        scratch = folder.resolve("scratch");
        backup = folder.resolve("backup.xml");
        Files.writeString(backup, backup("vda", scratch));
    }

    private String backup(String disk, Path at) {
        return """
                <domainbackup mode='pull'>
                  <server transport='unix' socket='%s'/>
                  <disks>
                    <disk name='%s' type='file' backup='yes'><scratch file='%s'/></disk>
                  </disks>
                </domainbackup>
                """.formatted(
                socket.toString().replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;"), disk, at);
    }

    @Test
    void whatEndsWellIsLeftAsItIs() throws Exception {
        Path file = Files.createFile(folder.resolve("file"));
        Process sleep = new ProcessBuilder("sleep", "600").start();
        Guardian guardian = Guardian.start(KvmLab.ADDRESS, uuid, Duration.ofSeconds(30));
        try {
            guardian.awaitReady();
            guardian.freezing();
            KvmLab.virsh("domfsfreeze", uuid);
            guardian.job(socket);
            guardian.file(file);
            guardian.file(scratch);
            guardian.child(sleep.toHandle());
            KvmLab.virsh("backup-begin", uuid, backup.toString());
            KvmLab.virsh("domfsthaw", uuid);
            assertThat(guardian.thawed()).isTrue();
            // A second time is not under the limit of the first.
            guardian.freezing();
            assertThat(guardian.thawed()).isTrue();
            assertThat(guardian.thawed()).isTrue();
            guardian.close();
            assertThat(guardian.isAlive()).isFalse();
            Thread.sleep(500);
            assertThat(KvmLab.virsh("backup-dumpxml", uuid)).contains(scratch.toString());
            assertThat(file).exists();
            assertThat(sleep.isAlive()).isTrue();
            assertThat(catchThrowableOfType(GenieVmException.class, guardian::freezing)
                            .code())
                    .isEqualTo(ErrorCode.CLOSED);
        } finally {
            guardian.close();
            sleep.destroyForcibly();
            KvmLab.virsh("domjobabort", uuid);
        }
    }

    @Test
    void aFreezeIsEndedWhenItLastsTooLong() throws Exception {
        try (Guardian guardian = Guardian.start(KvmLab.ADDRESS, uuid, Duration.ofSeconds(1))) {
            guardian.freezing();
            KvmLab.virsh("domfsfreeze", uuid);
            assertThat(guest.freezeStatus()).isEqualTo("frozen");
            soon(() -> guest.freezeStatus().equals("thawed"));
            assertThat(guardian.thawed()).isFalse();
            guardian.freezing();
            assertThat(guardian.thawed()).isTrue();
        }
    }

    /** As when libvirt does not answer while the other wants to thaw, and it gives up for that. */
    @Test
    void aGuestThatWasNotThawedIsThawedWhenTheGuardianIsDismissed() throws Exception {
        Guardian guardian = Guardian.start(KvmLab.ADDRESS, uuid, Duration.ofSeconds(60));
        guardian.freezing();
        KvmLab.virsh("domfsfreeze", uuid);
        guardian.close();
        soon(() -> guest.freezeStatus().equals("thawed"));
        gone(guardian.process());
        guest.run("touch /mnt/vda/written && sync");
    }

    @Test
    void aGuestIsThawedWhenItsFreezerIsKilled() throws Exception {
        try (Child victim =
                Child.start(Victim.class, uuid, "60000", "freezing", "", "run", "virsh -q domfsfreeze " + uuid)) {
            ProcessHandle guardian = guardian(victim);
            assertThat(guest.freezeStatus()).isEqualTo("frozen");
            // Neither asks the guardian to go while its guest is frozen.
            Programs.run("kill", "-TERM", Long.toString(guardian.pid()));
            Programs.run("kill", "-INT", Long.toString(guardian.pid()));
            Thread.sleep(500);
            assertThat(guest.freezeStatus()).isEqualTo("frozen");
            victim.kill();
            soon(() -> guest.freezeStatus().equals("thawed"));
            gone(guardian);
        }
        guest.run("touch /mnt/vda/written && sync");
    }

    @Test
    void aConnectionThatBrokeIsMadeAnew() throws Exception {
        try (Child victim = Child.start(Victim.class, uuid, "60000", "freezing", "")) {
            ProcessHandle guardian = guardian(victim);
            disconnect(guardian);
            KvmLab.virsh("domfsfreeze", uuid);
            victim.kill();
            soon(() -> guest.freezeStatus().equals("thawed"));
            gone(guardian);
        }
    }

    /** What the guardian sees of a daemon that is restarted. */
    private static void disconnect(ProcessHandle client) {
        Programs.Result list =
                Programs.attempt(Duration.ofMinutes(1), "virt-admin", "-q", "srv-clients-list", "libvirtd");
        assumeThat(list.status()).as(list.output()).isZero();
        for (String line : list.output().strip().split("\n")) {
            String id = line.strip().split(" ")[0];
            Programs.Result info = Programs.attempt(Duration.ofMinutes(1), "virt-admin", "client-info", "libvirtd", id);
            if (info.output().matches("(?s).*unix_process_id *: " + client.pid() + "\\b.*")) {
                Programs.run("virt-admin", "client-disconnect", "libvirtd", id);
                return;
            }
        }
        throw new AssertionError("the daemon does not know the guardian: " + list.output());
    }

    @Test
    void aFreezeThatWasUnderWayIsEndedToo() throws Exception {
        try (Child victim = Child.start(
                Victim.class, uuid, "60000", "freezing", "", "begin", "sleep 1.5; virsh -q domfsfreeze " + uuid)) {
            ProcessHandle guardian = guardian(victim);
            victim.kill();
            gone(guardian);
            assertThat(guest.freezeStatus()).isEqualTo("thawed");
        }
        guest.run("touch /mnt/vda/written && sync");
    }

    @Test
    void theJobOfOneThatIsKilledIsEndedAndItsFilesAreRemoved() throws Exception {
        Path other = Files.createFile(folder.resolve("other"));
        Path named = Files.createFile(folder.resolve("a named\nfile %41+"));
        Path link = Files.createSymbolicLink(folder.resolve("link"), other);
        Path inner = Files.createDirectory(folder.resolve("inner"));
        try (Child victim = Child.start(
                Victim.class,
                uuid,
                "60000",
                "job",
                socket.toString(),
                "file",
                socket.toString(),
                "file",
                scratch.toString(),
                "file",
                named.toString(),
                "file",
                link.toString(),
                "file",
                inner.toString(),
                "child",
                "sleep 600",
                "run",
                "virsh -q backup-begin " + uuid + " " + backup)) {
            ProcessHandle sleep =
                    ProcessHandle.of(Long.parseLong(victim.await("child "))).orElseThrow();
            ProcessHandle guardian = guardian(victim);
            assertThat(KvmLab.virsh("backup-dumpxml", uuid)).contains(scratch.toString());
            assertThat(socket).exists();
            victim.kill();
            gone(guardian);
            assertThat(sleep.isAlive()).isFalse();
        }
        assertThat(KvmLab.virshAttempt("backup-dumpxml", uuid).status()).isNotZero();
        assertThat(folder.toFile().list()).containsExactlyInAnyOrder("other", "link", "inner", "backup.xml");
    }

    @Test
    void aJobThatWasUnderWayIsEndedToo() throws Exception {
        try (Child victim = Child.start(
                Victim.class,
                uuid,
                "60000",
                "job",
                socket.toString(),
                "file",
                scratch.toString(),
                "begin",
                "sleep 4; virsh -q backup-begin " + uuid + " " + backup)) {
            ProcessHandle guardian = guardian(victim);
            victim.kill();
            gone(guardian);
        }
        assertThat(KvmLab.virshAttempt("backup-dumpxml", uuid).status()).isNotZero();
        assertThat(scratch).doesNotExist();
    }

    @Test
    void aGuestThatStandsStillSinceItsScratchFileIsFullGoesOn() throws Exception {
        Path full = lab.newTmpfs("2m").resolve("scratch");
        // What has not been written before needs no place in the scratch file.
        guest.run("dd if=/dev/urandom of=/dev/vdc bs=1M count=8 conv=fsync");
        Files.writeString(backup, backup("vdc", full));
        try (Child victim = Child.start(
                Victim.class,
                uuid,
                "60000",
                "job",
                socket.toString(),
                "file",
                full.toString(),
                "run",
                "virsh -q backup-begin " + uuid + " " + backup)) {
            ProcessHandle guardian = guardian(victim);
            guest.background("dd if=/dev/urandom of=/dev/vdc bs=1M count=8 conv=fsync");
            within(Duration.ofSeconds(30), () -> guest.isPaused());
            victim.kill();
            within(Duration.ofSeconds(10), () -> !guest.isPaused());
            gone(guardian);
        }
        assertThat(full).doesNotExist();
        guest.run("sync");
    }

    @Test
    void whatIsOfOthersIsLeftAlone() throws Exception {
        KvmLab.virsh("backup-begin", uuid, backup.toString());
        KvmLab.virsh("domfsfreeze", uuid);
        try (Child victim = Child.start(
                Victim.class, uuid, "1000", "job", folder.resolve("ours").toString())) {
            ProcessHandle guardian = guardian(victim);
            victim.kill();
            // It looks for its own job for a while.
            guardian.onExit().get(60, TimeUnit.SECONDS);
            assertThat(guest.freezeStatus()).isEqualTo("frozen");
            assertThat(KvmLab.virsh("backup-dumpxml", uuid)).contains(scratch.toString());
        } finally {
            KvmLab.virsh("domfsthaw", uuid);
            KvmLab.virsh("domjobabort", uuid);
        }
    }

    @Test
    void oneThatCanNotStandBySaysSo() {
        for (String[] each : new String[][] {
            {"nonsense:///system", uuid}, {KvmLab.ADDRESS, UUID.randomUUID().toString()}, {KvmLab.ADDRESS, "nonsense"}
        }) {
            try (Guardian guardian = Guardian.start(each[0], each[1], Duration.ofSeconds(1))) {
                GenieVmException failure = catchThrowableOfType(GenieVmException.class, guardian::awaitReady);
                assertThat(failure.code()).isEqualTo(ErrorCode.UNSUPPORTED);
                assertThat(failure).hasMessageContaining("guest");
                assertThat(guardian.isAlive()).isFalse();
                assertThat(catchThrowableOfType(GenieVmException.class, guardian::freezing))
                        .hasMessage(failure.getMessage());
            }
        }
    }

    @Test
    void oneThatIsNotNeededAfterAllIsDismissedAtOnce() {
        Guardian guardian = Guardian.start(KvmLab.ADDRESS, uuid, Duration.ofSeconds(1));
        guardian.close();
        assertThat(guardian.isAlive()).isFalse();
        guardian.close();
    }

    @Test
    void oneThatWasKilledIsNoticed() throws Exception {
        try (Guardian guardian = Guardian.start(KvmLab.ADDRESS, uuid, Duration.ofSeconds(60))) {
            guardian.freezing();
            guardian.process().destroyForcibly();
            gone(guardian.process());
            assertThat(guardian.isAlive()).isFalse();
            assertThat(guardian.thawed()).isTrue();
            assertThat(catchThrowableOfType(GenieVmException.class, guardian::freezing)
                            .code())
                    .isEqualTo(ErrorCode.IO_ERROR);
        }
    }

    private static ProcessHandle guardian(Child victim) throws IOException {
        return ProcessHandle.of(Long.parseLong(victim.await("guardian "))).orElseThrow();
    }

    private static void gone(ProcessHandle process) throws Exception {
        process.onExit().get(20, TimeUnit.SECONDS);
    }

    private static void soon(Callable<Boolean> condition) throws Exception {
        within(SOON, condition);
    }

    private static void within(Duration limit, Callable<Boolean> condition) throws Exception {
        long begin = System.nanoTime();
        while (!condition.call()) {
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(limit);
            Thread.sleep(50);
        }
    }
}
