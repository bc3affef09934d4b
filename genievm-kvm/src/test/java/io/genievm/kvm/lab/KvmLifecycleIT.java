package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.BackupReport;
import io.genievm.core.DiskPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Backups of a guest that is stopped, started, killed and changed between them, and during them. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class KvmLifecycleIT {
    private final Random random = new Random(4);
    private final Map<SessionId, Map<String, Path>> references = new HashMap<>();

    @TempDir
    private Path folder;

    private Guest guest;
    private Protection protection;

    @BeforeEach
    void start(KvmLab lab) {
        guest = lab.guest()
                .disk("vda", disk -> disk.size(48 << 20).ext4(Map.of()))
                .disk("vdb", disk -> disk.raw().size(16 << 20))
                .disk("vdc", disk -> disk.size((24 << 20) + 512))
                .emptyCdrom("sda")
                .start();
        protection = Protection.create(
                folder.resolve("repository"), guest.name(), Protection.config(lab.newFolder("scratch")));
    }

    @AfterEach
    void stop() {
        if (protection != null) {
            protection.close();
        }
        if (guest != null) {
            guest.close();
        }
    }

    /** Backs the guest up while it stands still or is shut off, and keeps what it has at that moment. */
    private BackupReport backUp() throws Exception {
        boolean running = guest.state().startsWith("running");
        if (running) {
            guest.suspend();
        }
        Map<String, Path> reference = guest.reference(Files.createTempDirectory(folder, "reference"));
        BackupReport report = protection.backup(request -> {});
        if (running) {
            guest.resume();
        }
        references.put(report.point(), reference);
        return report;
    }

    private void assertAllRestore() throws Exception {
        for (Map.Entry<SessionId, Map<String, Path>> point : references.entrySet()) {
            protection.assertRestores(point.getKey(), point.getValue(), folder.resolve("restored-" + point.getKey()));
        }
    }

    private byte[] bytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private static DiskPlan plan(BackupReport report, String disk) {
        return Protection.disk(report, disk).plan();
    }

    private static void assertTracked(BackupReport report) {
        assertThat(plan(report, "vda")).isEqualTo(DiskPlan.CHANGED);
        assertThat(plan(report, "vdc")).isEqualTo(DiskPlan.CHANGED);
        assertThat(plan(report, "vdb")).as("a raw disk").isEqualTo(DiskPlan.SCAN);
        assertThat(report.warnings()).extracting(Warning::code).doesNotContain(DriverFact.TRACKING_LOST);
    }

    private List<String> ourCheckpoints() {
        String ours = "genievm-" + protection.repository().id().value();
        return guest.checkpoints().stream()
                .filter(name -> name.startsWith(ours))
                .toList();
    }

    @Test
    void bitmapsGoOnThroughStopsAndStarts() throws Exception {
        BackupReport full = backUp();
        assertThat(full.warnings())
                .filteredOn(warning -> warning.code().equals(DriverFact.DISK_SKIPPED))
                .singleElement()
                .satisfies(warning -> assertThat(warning.message()).contains("'sda'", "CD-ROM"));
        guest.writeAt("vdc", 1_000_001, bytes(200_000));
        guest.writeAt("vdb", 77, bytes(5000));
        guest.destroy();

        BackupReport stopped = backUp();
        assertTracked(stopped);
        assertThat(Protection.disk(stopped, "vdc").changedBytes()).isBetween(200_000L, 5L << 16);
        BackupReport still = backUp();
        assertTracked(still);
        assertThat(still.disks()).allMatch(disk -> disk.changedBytes() == 0);

        guest.start();
        guest.writeAt("vdc", 9_000_001, bytes(70_000));
        BackupReport again = backUp();
        assertTracked(again);
        assertThat(Protection.disk(again, "vdc").changedBytes()).isBetween(70_000L, 3L << 16);
        assertThat(ourCheckpoints())
                .containsExactly("genievm-" + protection.repository().id().value() + "-"
                        + again.point().value());
        assertAllRestore();
    }

    @Test
    void anAgentThatHangsInAFreezeHoldsNobodyUp(KvmLab lab) throws Exception {
        guest.run("echo 9 > /tmp/slow-freeze");
        try (Protection impatient = Protection.create(
                folder.resolve("impatient"),
                guest.name(),
                Protection.config(lab.newFolder("impatient"), "freeze-timeout", "2"))) {
            BackupReport report = impatient.backup(request -> request.quiesce(QuiesceMode.FILE_SYSTEM));

            assertThat(report.warnings())
                    .filteredOn(warning -> warning.code().equals(DriverFact.QUIESCE_REFUSED))
                    .singleElement()
                    .satisfies(warning -> assertThat(warning.message()).contains("2000 ms"));
            // The agent answers when it has done what it was asked for, which nobody wants any more.
            guest.run("rm /tmp/slow-freeze");
            for (int tries = 0; !isThawed(); tries++) {
                assertThat(tries).as("looks").isLessThan(60);
                Thread.sleep(500);
            }
            guest.run("timeout 20 dd if=/dev/zero of=/mnt/vda/written bs=4k count=1 conv=fsync");
        }
        // With the usual patience: on a busy machine a freeze may well take the two seconds.
        try (Protection patient = Protection.create(
                folder.resolve("patient"), guest.name(), Protection.config(lab.newFolder("patient")))) {
            assertThat(patient.backup(request -> request.quiesce(QuiesceMode.FILE_SYSTEM))
                            .warnings())
                    .extracting(Warning::code)
                    .doesNotContain(DriverFact.QUIESCE_REFUSED);
        }
    }

    private boolean isThawed() {
        Programs.Result status = KvmLab.virshAttempt(
                "qemu-agent-command", guest.name(), "--timeout", "5", "{\"execute\":\"guest-fsfreeze-status\"}");
        return status.output().contains("thawed");
    }

    @Test
    void whatWasLostIsReadWholeAndTrackedAgain() throws Exception {
        KvmLab.virsh(
                "checkpoint-create-as",
                guest.name(),
                "foreign",
                "--diskspec",
                "vda",
                "--diskspec",
                "vdb,checkpoint=no");
        backUp();
        guest.writeAt("vdc", 3_000_001, bytes(100_000));
        guest.kill9();
        guest.start();

        BackupReport afterDeath = backUp();
        for (String disk : List.of("vda", "vdc")) {
            assertThat(Protection.disk(afterDeath, disk).plan()).isEqualTo(DiskPlan.SCAN);
            assertThat(Protection.disk(afterDeath, disk).reason()).isIn("TRACKING_LOST", "TOKEN_UNKNOWN");
        }
        assertThat(afterDeath.warnings())
                .filteredOn(warning -> warning.code().equals(DriverFact.TRACKING_LOST))
                .hasSize(2);
        assertThat(ourCheckpoints()).hasSize(1);
        guest.writeAt("vdc", 4_000_001, bytes(1000));
        assertTracked(backUp());

        KvmLab.virsh("checkpoint-delete", guest.name(), ourCheckpoints().get(0), "--metadata");
        guest.writeAt("vdc", 5_000_001, bytes(1000));
        BackupReport forgotten = backUp();
        assertThat(plan(forgotten, "vda")).isEqualTo(DiskPlan.SCAN);
        assertThat(plan(forgotten, "vdc")).isEqualTo(DiskPlan.SCAN);
        assertThat(guest.bitmaps("vdc")).as("bitmaps of ours that are left").hasSize(1);
        assertTracked(backUp());

        guest.removeBitmap("vda", ourCheckpoints().get(0));
        guest.writeAt("vdc", 6_000_001, bytes(1000));
        BackupReport one = backUp();
        assertThat(plan(one, "vda")).as("the disk whose bitmap is gone").isEqualTo(DiskPlan.SCAN);
        assertThat(plan(one, "vdc")).as("the disk whose bitmap is there").isEqualTo(DiskPlan.CHANGED);
        assertTracked(backUp());
        assertThat(guest.checkpoints()).contains("foreign");
        assertAllRestore();
    }

    @Test
    void disksGrowComeAndGo() throws Exception {
        backUp();
        KvmLab.virsh("blockresize", guest.name(), "vdc", "32M");
        guest.writeAt("vdc", (24 << 20) + 100, bytes(1 << 20));
        Path added = folder.resolve("added.qcow2");
        Programs.run("qemu-img", "create", "-q", "-f", "qcow2", added.toString(), "8M");
        KvmLab.virsh("attach-disk", guest.name(), added.toString(), "vdd", "--driver", "qemu", "--subdriver", "qcow2");

        BackupReport changed = protection.backup(request -> {});
        assertThat(plan(changed, "vda")).isEqualTo(DiskPlan.CHANGED);
        assertThat(Protection.disk(changed, "vdc").reason()).isEqualTo("RESIZED");
        assertThat(Protection.disk(changed, "vdc").capacity()).isEqualTo(32 << 20);
        assertThat(Protection.disk(changed, "vdd").reason()).isEqualTo("DISK_ADDED");
        BackupReport settled = protection.backup(request -> {});
        for (String disk : List.of("vda", "vdc", "vdd")) {
            assertThat(plan(settled, disk)).as(disk).isEqualTo(DiskPlan.CHANGED);
        }

        KvmLab.virsh("detach-disk", guest.name(), "vdd");
        awaitDisks(3);
        BackupReport without = backUp();
        assertThat(without.disks()).hasSize(3);
        assertTracked(without);
        assertAllRestore();
    }

    private void awaitDisks(int number) throws InterruptedException {
        for (int i = 0; i < 200; i++) {
            if (KvmLab.virsh("domblklist", guest.name())
                            .lines()
                            .filter(line -> line.strip().startsWith("vd"))
                            .count()
                    == number) {
                return;
            }
            Thread.sleep(100);
        }
    }

    @Test
    void aStartDuringTheBackupIsNotedAndReadAgain() throws Exception {
        guest.destroy();
        backUp();
        BackupReport report;
        try (Protection.Held held = protection.hold(request -> {})) {
            guest.start();
            guest.writeAt("vdc", 2_000_001, bytes(100_000));
            report = held.finish();
        }
        Map<String, Path> restored = protection.restore(report.point(), folder.resolve("restored"));
        guest.sync();
        Map<String, Path> reference = guest.frozenReference(Files.createDirectory(folder.resolve("reference")));

        assertThat(Files.mismatch(restored.get("vdc"), reference.get("vdc"))).isEqualTo(-1);
        assertThat(ourCheckpoints()).hasSize(1);
        assertAllRestore();
    }

    /** All bitmaps of a checkpoint have one name, so that each image would answer for the other. */
    @Test
    void anImageThatTookThePlaceOfAnotherIsReadWhole() throws Exception {
        Path other = folder.resolve("other.qcow2");
        Programs.run("qemu-img", "create", "-q", "-f", "qcow2", other.toString(), Long.toString((24 << 20) + 512));
        KvmLab.virsh(
                "attach-disk",
                guest.name(),
                other.toString(),
                "vdd",
                "--driver",
                "qemu",
                "--subdriver",
                "qcow2",
                "--persistent");
        guest.writeAt("vdc", 1000, bytes(2_000_000));
        protection.backup(request -> {});
        guest.destroy();
        Path first = guest.disk("vdc").source();
        Path kept = folder.resolve("kept.qcow2");
        Files.move(first, kept);
        Files.move(other, first);
        Files.move(kept, other);

        for (boolean running : new boolean[] {false, true}) {
            if (running) {
                guest.start();
            }
            BackupReport swapped = backUp();
            assertThat(plan(swapped, "vda")).isEqualTo(DiskPlan.CHANGED);
            assertThat(plan(swapped, "vdc")).isEqualTo(running ? DiskPlan.CHANGED : DiskPlan.SCAN);
            assertThat(plan(swapped, "vdd")).isEqualTo(running ? DiskPlan.CHANGED : DiskPlan.SCAN);
        }
        references.values().forEach(reference -> assertThat(reference).containsKey("vdc"));
        for (Map.Entry<SessionId, Map<String, Path>> point : references.entrySet()) {
            Map<String, Path> restored =
                    protection.restore(point.getKey(), folder.resolve("swapped-" + point.getKey()));
            assertThat(Files.mismatch(restored.get("vdc"), point.getValue().get("vdc")))
                    .isEqualTo(-1);
        }
    }

    @Test
    void jobsOfOthersAreInTheWayAndLeftAlone() throws Exception {
        Path job = writeJob();
        KvmLab.virsh("backup-begin", guest.name(), job.toString());

        GenieVmException busy = catchThrowableOfType(GenieVmException.class, () -> protection.backup(request -> {}));

        assertThat(busy.code()).isEqualTo(ErrorCode.BUSY);
        assertThat(guest.hasBackupJob()).as("the job of another").isTrue();
        KvmLab.virsh("domjobabort", guest.name());
        assertThat(backUp().disks()).hasSize(3);
    }

    private Path writeJob() throws IOException {
        return Files.writeString(
                folder.resolve("job.xml"),
                "<domainbackup mode='pull'><server transport='unix' socket='" + folder.resolve("other.sock")
                        + "'/><disks><disk name='vda' backup='yes' type='file'><scratch file='"
                        + folder.resolve("other.scratch")
                        + "'/></disk><disk name='vdb' backup='no'/><disk name='vdc' backup='no'/></disks></domainbackup>");
    }
}
