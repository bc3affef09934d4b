package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A QEMU that has forgotten what was written, without knowing it. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class KvmLyingTrackerIT {
    @TempDir
    private Path folder;

    private static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void aLieIsFoundMendedAndTold(KvmLab lab) throws Exception {
        long lie = (9 << 20) + 12_345;
        try (Guest guest = lab.guest()
                        .disk("vda", disk -> disk.content(random(1, (16 << 20) + 512)))
                        .disk("vdb", disk -> disk.content(random(2, 8 << 20)))
                        .start();
                Protection protection = Protection.create(
                        folder.resolve("repository"), guest.name(), Protection.config(lab.newFolder("scratch")))) {
            BackupReport full = protection.backup(request -> {});
            guest.writeAt("vda", 1 << 20, random(3, 1000));
            guest.writeAt("vdb", 1 << 20, random(4, 1000));
            BackupReport believed = protection.backup(request -> request.audit(AuditMode.NONE));
            assertThat(protection.disk(believed.point(), "vda").trust()).isEqualTo(Trust.SAMPLED);

            guest.writeAt("vda", lie, random(5, 1000));
            guest.writeAt("vdb", 2 << 20, random(6, 1000));
            guest.bitmaps("vda").keySet().forEach(bitmap -> guest.clearBitmap("vda", bitmap));
            // Written after the lie: the list is not empty, only wrong.
            guest.writeAt("vda", 5 << 20, random(7, 1000));
            Path copies = Files.createDirectory(folder.resolve("reference"));
            var reference = guest.frozenReference(copies);
            BackupReport found = protection.backup(request -> request.audit(AuditMode.FULL));

            BackupReport.Disk liar = Protection.disk(found, "vda");
            assertThat(liar.reason()).as("%s", liar).isEqualTo("AUDIT_MISMATCH");
            assertThat(liar.audit().mismatches())
                    .anySatisfy(
                            range -> assertThat(lie).isBetween(range.offset(), range.offset() + range.length() - 1));
            assertThat(Protection.disk(found, "vdb").plan()).isEqualTo(DiskPlan.CHANGED);
            assertThat(Protection.disk(found, "vdb").audit().mismatches()).isEmpty();
            protection.assertRestores(found.point(), reference, folder.resolve("restored"));
            assertThat(protection.disk(found.point(), "vda").trust()).isEqualTo(Trust.PROVEN);
            assertThat(protection.disk(believed.point(), "vda").trust()).isEqualTo(Trust.SUSPECT);
            assertThat(protection.disk(believed.point(), "vdb").trust()).isNotEqualTo(Trust.SUSPECT);
            assertThat(protection.disk(full.point(), "vda").trust()).isEqualTo(Trust.PROVEN);

            guest.writeAt("vda", 3 << 20, random(8, 1000));
            copies = Files.createDirectory(folder.resolve("reference-next"));
            reference = guest.frozenReference(copies);
            BackupReport next = protection.backup(request -> request.audit(AuditMode.FULL));
            assertThat(next.disks())
                    .allSatisfy(disk -> assertThat(disk.plan()).as("%s", disk).isEqualTo(DiskPlan.CHANGED))
                    .allSatisfy(disk -> assertThat(disk.audit().mismatches()).isEmpty());
            protection.assertRestores(next.point(), reference, folder.resolve("restored-next"));
        }
    }
}
