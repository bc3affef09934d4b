package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.BackupReport;
import io.genievm.core.DiskPlan;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Backups of a guest that goes on writing. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class KvmBackupIT {
    private static final int CHUNK = 64 << 10;
    private static final long ALLOWANCE = 2 << 20;

    private static KvmLab lab;
    private static Guest guest;

    @TempDir
    private Path folder;

    @BeforeAll
    static void start(KvmLab given) {
        lab = given;
        // Much that stays as it is: reading all of it could not be taken for reading what has changed.
        byte[] old = random(new Random(2), 24 << 20);
        guest = lab.guest()
                .disk("vda", disk -> disk.size(96 << 20).ext4(Map.of("old", old)))
                .disk("vdb", disk -> disk.raw().size((64 << 20) + 4096).ext4(Map.of()))
                .disk("vdc", disk -> disk.size((24 << 20) + 5 * 512))
                .emptyCdrom("sda")
                .start();
    }

    @AfterAll
    static void stop() {
        if (guest != null) {
            guest.close();
        }
    }

    private static byte[] random(Random random, int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    /**
     * The exact bytes of the moment of a snapshot are known although the guest writes all the time, as it stands still at
     * that moment: it is suspended, copied, and goes on when the job has begun, before anything is read.
     */
    @Test
    void everyPointIsWhatTheGuestHadAndCostsWhatHasChanged() throws Exception {
        Random random = new Random(1);
        Map<SessionId, Map<String, Path>> references = new LinkedHashMap<>();
        try (Protection protection = Protection.create(
                folder.resolve("repository"), guest.name(), Protection.config(lab.newFolder("scratch")))) {
            guest.startWriting("/mnt/vda");
            BackupReport parent = null;
            for (int i = 0; i < 4; i++) {
                guest.writeAt("vdc", 1_000_003L * (i + 1), random(random, 300_001));
                guest.writeAt("vdc", 20_000_000 + 70_001L * i, random(random, 10));
                guest.writeFile("/mnt/vdb/file-" + i, random(random, 100_000));
                guest.suspend();
                Path copies = Files.createDirectory(folder.resolve("reference-" + i));
                Map<String, Path> reference = guest.reference(copies);
                Map<String, Long> dirty = dirty(protection, parent);
                BackupReport report;
                try (Protection.Held held = protection.hold(request -> request.quiesce(QuiesceMode.NONE))) {
                    guest.resume();
                    assertThat(guest.hasBackupJob())
                            .as("the job, while the guest writes")
                            .isTrue();
                    guest.writeAt("vdc", 1_000_003L * (i + 1) + 1000, random(random, 100_000));
                    guest.writeFile("/mnt/vdb/file-" + i, random(random, 100_000));
                    report = held.finish();
                }

                references.put(report.point(), reference);
                assertThat(guest.isPaused()).isFalse();
                if (parent == null) {
                    assertThat(report.disks())
                            .extracting(BackupReport.Disk::plan)
                            .containsOnly(DiskPlan.ALL);
                } else {
                    assertThat(report.parent()).isEqualTo(parent.point());
                    dirty.forEach((disk, bytes) -> assertReadsWhatHasChanged(report, disk, bytes));
                }
                assertThat(report.disks())
                        .allSatisfy(disk -> assertThat(disk.audit().mismatches())
                                .as("%s", disk)
                                .isEmpty());
                parent = report;
            }
            assertThat(guest.stopWriting()).as("files that the guest wrote").isGreaterThan(4);
            for (Map.Entry<SessionId, Map<String, Path>> point : references.entrySet()) {
                protection.assertRestores(
                        point.getKey(), point.getValue(), folder.resolve("restored-" + point.getKey()));
            }
            // They differ, or restoring any of them would have been as good.
            assertThat(references.values().stream()
                            .map(copies -> Programs.run("sha256sum", "" + copies.get("vdc"))
                                    .split(" ")[0]))
                    .doesNotHaveDuplicates();
        }
        assertThat(guest.hasBackupJob()).isFalse();
    }

    /** What QEMU itself has recorded since the parent, by disk. */
    private static Map<String, Long> dirty(Protection protection, @Nullable BackupReport parent) {
        Map<String, Long> dirty = new HashMap<>();
        if (parent != null) {
            String name = "genievm-" + protection.repository().id().value() + "-"
                    + parent.point().value();
            for (String disk : new String[] {"vda", "vdc"}) {
                JsonNode bitmap = Objects.requireNonNull(
                        guest.bitmaps(disk).get(name), () -> "no bitmap " + name + " of disk " + disk);
                assertThat(bitmap.get("granularity").asInt()).isEqualTo(CHUNK);
                dirty.put(disk, bitmap.get("count").asLong());
            }
        }
        return dirty;
    }

    private static void assertReadsWhatHasChanged(BackupReport report, String id, long dirty) {
        BackupReport.Disk disk = Protection.disk(report, id);
        assertThat(disk.plan()).as("%s", disk).isEqualTo(DiskPlan.CHANGED);
        assertThat(dirty).as("dirty bytes of disk %s", id).isBetween(3L * CHUNK, disk.capacity() / 2);
        assertThat(disk.changedBytes()).isBetween(1L, dirty + CHUNK);
        assertThat(disk.readBytes())
                .as("bytes read of disk %s, of which %d are dirty", id, dirty)
                .isBetween(disk.changedBytes(), dirty + ALLOWANCE);
    }

    @Test
    void aQuiescedPointNeedsNoRepairAndTheGuestHardlyNoticesIt() throws Exception {
        try (Protection protection = Protection.create(
                        folder.resolve("repository"), guest.name(), Protection.config(lab.newFolder("scratch")));
                Heartbeat beat = guest.beat("vda")) {
            guest.startWriting("/mnt/vdb");
            BackupReport report = protection.backup(request -> request.quiesce(QuiesceMode.FILE_SYSTEM));
            beat.awaitBeat(Duration.ofSeconds(10));
            assertThat(beat.longestGap()).isLessThan(Duration.ofSeconds(10));
            guest.stopWriting();
            assertThat(guest.freezeStatus()).isEqualTo("thawed");
            assertThat(report.warnings()).extracting(Warning::code).doesNotContain(DriverFact.QUIESCE_REFUSED);

            Map<String, Path> restored = protection.restore(report.point(), folder.resolve("restored"));

            for (String disk : new String[] {"vda", "vdb"}) {
                Programs.Result check = Programs.attempt(
                        Duration.ofMinutes(1),
                        "e2fsck",
                        "-fn",
                        Objects.requireNonNull(restored.get(disk)).toString());
                assertThat(check.status()).as(check.output()).isZero();
                assertThat(check.output()).doesNotContain("recovery");
            }
        }
    }
}
