package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.BackupReport;
import io.genievm.core.RestorePoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Backups whose process is killed at any moment. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 40, unit = TimeUnit.MINUTES)
class KvmKillIT {
    private static final int KILLS = 50;
    private static final String FOREIGN = "of-somebody-else";
    private static final int FREEZE_SECONDS = 5;
    /** What a guest that is emulated on a busy machine may stand still by itself, and what it takes to notice a death. */
    private static final Duration NOTICED = Duration.ofSeconds(FREEZE_SECONDS + 5);

    private static final String[] OPTIONS = {"freeze-timeout", Integer.toString(FREEZE_SECONDS)};

    @TempDir
    private Path folder;

    @Test
    @Tag("torture")
    void theGuestHardlyNoticesAndTheNextBackupWorks(KvmLab lab) throws Exception {
        long seed = Long.getLong("genievm.seed", System.nanoTime());
        System.out.println("KvmKillIT: run it again with -Dgenievm.seed=" + seed);
        Random random = new Random(seed);
        int kills = Math.max(
                1, (int) Math.round(KILLS * Double.parseDouble(System.getProperty("genievm.torture.scale", "0.1"))));
        Path repository = folder.resolve("repository");
        Path scratch = lab.newFolder("scratch");
        try (Guest guest = guest(lab)) {
            long whole;
            try (Protection protection =
                    Protection.create(repository, guest.name(), Protection.config(scratch, OPTIONS))) {
                protection.backup(request -> {});
                // Not the first one, for which the repository has still to be filled.
                guest.writeAt("vdc", 0, bytes(random));
                try (KilledBackup backup = KilledBackup.start(repository, guest, scratch, OPTIONS)) {
                    long before = System.nanoTime();
                    assertThat(backup.outcome()).matches("[0-9a-f]{32}");
                    whole = System.nanoTime() - before;
                }
            }
            List<KilledBackup> killed = new ArrayList<>();
            int attempts = 0;
            while (killed.size() < kills) {
                String when = "kill " + killed.size() + " of " + kills + " with seed " + seed;
                assertThat(++attempts).as("%s: attempts", when).isLessThanOrEqualTo(3 * kills + 10);
                // One in each part, so that a few are spread as well as many.
                long moment = (long) (whole * (killed.size() + random.nextDouble()) / kills);
                guest.writeAt("vdc", random.nextInt(20 << 20), bytes(random));
                try (Heartbeat beat = guest.beat("vda");
                        KilledBackup backup = KilledBackup.start(repository, guest, scratch, OPTIONS)) {
                    long before = System.nanoTime();
                    if (backup.await(Duration.ofNanos(moment))) {
                        // The machine is less busy than it was. One that was not killed shows nothing.
                        whole = Math.min(whole, System.nanoTime() - before);
                        continue;
                    }
                    backup.kill();
                    killed.add(backup);
                    assertTheGuestDidNotNotice(guest, beat, when);
                }
                // At once: whatever still clears up after the dead one does not disturb it.
                assertNextWorks(guest, repository, scratch, when);
            }
            assertThat(guest.isPaused()).isFalse();
            assertNoProcesses(killed);
            assertThat(guest.hasBackupJob()).as("a job that nobody has ended").isFalse();
            assertWhole(lab, guest, repository, scratch);
        }
    }

    /** The one moment that chance may miss. */
    @Test
    void theJobOfTheDeadIsEndedBeforeTheNextBackup(KvmLab lab) throws Exception {
        Path repository = folder.resolve("repository");
        Path scratch = lab.newFolder("scratch");
        try (Guest guest = guest(lab);
                Heartbeat beat = guest.beat("vda")) {
            Protection.create(repository, guest.name(), Protection.config(scratch, OPTIONS))
                    .close();
            try (KilledBackup backup = KilledBackup.startHeld(repository, guest, scratch, OPTIONS)) {
                assertThat(guest.hasBackupJob()).isTrue();
                backup.kill();
                assertTheGuestDidNotNotice(guest, beat, "killed with its job");
                assertNoProcesses(List.of(backup));
                assertThat(guest.hasBackupJob())
                        .as("a job that nobody has ended")
                        .isFalse();
                assertNoFiles(guest, scratch, "killed with its job");
            }
            assertNextWorks(guest, repository, scratch, "after the job of the dead");
        }
    }

    private static void assertTheGuestDidNotNotice(Guest guest, Heartbeat beat, String when)
            throws InterruptedException {
        assertTheGuestIsFree(guest, when);
        beat.awaitBeat(Duration.ofSeconds(10));
        assertThat(beat.longestGap()).as(when).isLessThan(NOTICED);
        assertThat(guest.freezeStatus()).as(when).isEqualTo("thawed");
        assertThat(guest.checkpoints()).as(when).contains(FOREIGN);
    }

    /** Nobody is left to clear up but the next backup. */
    @Test
    void whenTheGuardianDiesAsWellTheNextBackupClearsUp(KvmLab lab) throws Exception {
        Path repository = folder.resolve("repository");
        Path scratch = lab.newFolder("scratch");
        try (Guest guest = guest(lab)) {
            try (Protection protection =
                    Protection.create(repository, guest.name(), Protection.config(scratch, OPTIONS))) {
                protection.backup(request -> {});
            }
            guest.writeAt("vdc", 12_345, bytes(new Random(1)));
            try (KilledBackup backup = KilledBackup.start(repository, guest, scratch, OPTIONS)) {
                while (!guest.hasBackupJob()) {
                    assertThat(backup.await(Duration.ofMillis(1)))
                            .as("the backup is over")
                            .isFalse();
                }
                backup.killAll();
                assertThat(backup.children()).isEmpty();
            }
            assertThat(guest.isPaused()).isFalse();
            assertNextWorks(guest, repository, scratch, "killed with its guardian");
            assertWhole(lab, guest, repository, scratch);
        }
    }

    private static Guest guest(KvmLab lab) {
        Guest guest = lab.guest().usual().start();
        KvmLab.virsh(
                "checkpoint-create-as",
                guest.name(),
                FOREIGN,
                "--diskspec",
                "vda,checkpoint=bitmap",
                "--diskspec",
                "vdb,checkpoint=no",
                "--diskspec",
                "vdc,checkpoint=bitmap");
        return guest;
    }

    private static byte[] bytes(Random random) {
        byte[] bytes = new byte[1 + random.nextInt(1 << 20)];
        random.nextBytes(bytes);
        return bytes;
    }

    /**
     * Waits for the guardian to do its work. One look without a job is enough: a call that was under way when its caller
     * was killed may still begin one in the daemon, for which the guardian goes on looking.
     */
    private static void assertTheGuestIsFree(Guest guest, String when) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        boolean hasJob = guest.hasBackupJob();
        while (System.nanoTime() < end && hasJob) {
            assertThat(guest.state()).as(when).startsWith("running");
            Thread.sleep(50);
            hasJob = guest.hasBackupJob();
        }
        assertThat(guest.state()).as(when).startsWith("running");
        assertThat(hasJob).as("%s: a backup job is left", when).isFalse();
    }

    /** A guardian may look for some time for a job that the daemon had still to begin; but not for ever. */
    private static void assertNoProcesses(List<KilledBackup> killed) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        for (KilledBackup backup : killed) {
            while (System.nanoTime() < end && !backup.children().isEmpty()) {
                Thread.sleep(50);
            }
            assertThat(backup.children())
                    .extracting(process -> process.pid() + " " + process.info().commandLine())
                    .isEmpty();
        }
    }

    private static void assertNoFiles(Guest guest, Path scratch, String when) throws IOException {
        assertThat(scratch).as(when).isEmptyDirectory();
        String tag = KvmLab.virsh("domuuid", guest.name()).substring(0, 8);
        try (Stream<Path> files = Files.list(Path.of("/var/tmp"))) {
            assertThat(files.map(file -> file.getFileName().toString())
                            .filter(name -> name.startsWith("genievm-") && name.contains(tag)))
                    .as(when)
                    .isEmpty();
        }
    }

    private static void assertNextWorks(Guest guest, Path repository, Path scratch, String when)
            throws InterruptedException, IOException {
        try (Protection protection = Protection.open(repository, guest.name(), Protection.config(scratch, OPTIONS))) {
            BackupReport next = protection.backup(request -> {});
            assertThat(guest.hasBackupJob()).as(when).isFalse();
            assertNoFiles(guest, scratch, when);
            // Those of dead sessions are gone, the newest point's is there, and so is what is not ours.
            List<String> ours = new ArrayList<>(guest.checkpoints());
            assertThat(ours.remove(FOREIGN)).as(when).isTrue();
            String repositoryId = protection.repository().id().value();
            assertThat(ours)
                    .as(when)
                    .contains("genievm-" + repositoryId + "-" + next.point().value());
            List<String> points = protection.repository().points().points().stream()
                    .map(RestorePoint::id)
                    .map(id -> "genievm-" + repositoryId + "-" + id.value())
                    .toList();
            assertThat(points).as("%s: points for all checkpoints", when).containsAll(ours);
        }
    }

    private void assertWhole(KvmLab lab, Guest guest, Path repository, Path scratch) throws InterruptedException {
        try (Protection protection = Protection.open(repository, guest.name(), Protection.config(scratch, OPTIONS))) {
            guest.suspend();
            Map<String, Path> reference = guest.reference(lab.newFolder("reference"));
            BackupReport report = protection.backup(request -> request.quiesce(QuiesceMode.NONE));
            guest.resume();
            protection.assertRestores(report.point(), reference, folder.resolve("restored"));
        }
    }
}
