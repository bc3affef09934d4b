package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.BackupReport;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A guest that overwrites more during a backup than there is room for what was there before. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class KvmScratchIT {
    private static final String AWAIT_OVERWRITTEN =
            "while [ ! -e /tmp/overwritten ]; do usleep 50000; done; cat /tmp/overwritten";

    @TempDir
    private Path folder;

    /** What takes the room away. */
    private interface Overwriting {
        void begin(Guest guest, Path scratch) throws IOException;
    }

    private static void overwrite(Guest guest) {
        guest.background("""
                dd if=/dev/zero of=/dev/vdb bs=1M count=64 conv=notrunc,fsync && echo written >/tmp/overwritten
                """);
    }

    @Test
    void theGuestThatTakesAllTheRoomGoesOnAndTheBackupDoesNot(KvmLab lab) throws Exception {
        check(lab, (guest, scratch) -> overwrite(guest));
    }

    @Test
    void neitherDoesItWhenSomebodyElseTakesTheRoom(KvmLab lab) throws Exception {
        check(lab, (guest, scratch) -> {
            fill(scratch);
            overwrite(guest);
        });
    }

    private static void fill(Path scratch) throws IOException {
        try (OutputStream filled = Files.newOutputStream(scratch.resolve("filled"))) {
            filled.write(new byte[20 << 20]);
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
    }

    /** The machine has no time for the backup, so that QEMU runs out of room before anybody looks, and stops the guest. */
    @Test
    void aGuestThatWasStoppedForWantOfRoomGoesOn(KvmLab lab) throws Exception {
        Path repository = folder.resolve("repository");
        Path small = lab.newTmpfs("20m");
        try (Guest guest = guest(lab);
                Heartbeat beat = guest.beat("vda")) {
            Protection.create(repository, guest.name(), Protection.config(small))
                    .close();
            try (KilledBackup backup = KilledBackup.startHeld(repository, guest, small)) {
                backup.stop();
                overwrite(guest);
                long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
                while (!guest.isPaused()) {
                    assertThat(System.nanoTime())
                            .as("the end of waiting for no room")
                            .isLessThan(end);
                }
                backup.proceed();
                assertThat(guest.exec(AWAIT_OVERWRITTEN, Duration.ofSeconds(60)).output())
                        .isEqualTo("written\n");
                backup.goOn();
                assertThat(backup.outcome()).isEqualTo(ErrorCode.NO_SPACE.name());
            }
            beat.awaitBeat(Duration.ofSeconds(10));
            assertThat(guest.hasBackupJob()).isFalse();
            assertThat(small).isEmptyDirectory();
            assertThat(guest.run("dmesg")).doesNotContain("I/O error");
        }
    }

    private static Guest guest(KvmLab lab) {
        byte[] content = new byte[64 << 20];
        new Random(1).nextBytes(content);
        return lab.guest()
                .disk("vda", disk -> disk.size(32 << 20).ext4(Map.of()))
                .disk("vdb", disk -> disk.content(content))
                .start();
    }

    private void check(KvmLab lab, Overwriting overwriting) throws Exception {
        Path repository = folder.resolve("repository");
        Path small = lab.newTmpfs("20m");
        try (Guest guest = guest(lab)) {
            try (Protection protection = Protection.create(repository, guest.name(), Protection.config(small));
                    Heartbeat beat = guest.beat("vda");
                    Protection.Held held = protection.hold(request -> request.quiesce(QuiesceMode.NONE))) {
                assertThat(guest.hasBackupJob()).isTrue();
                overwriting.begin(guest, small);
                assertThat(guest.exec(AWAIT_OVERWRITTEN, Duration.ofSeconds(60)).output())
                        .isEqualTo("written\n");
                beat.awaitBeat(Duration.ofSeconds(10));
                assertThat(guest.isPaused()).isFalse();
                assertThat(beat.longestGap()).isLessThan(Duration.ofSeconds(20));
                GenieVmException failure = catchThrowableOfType(GenieVmException.class, held::finish);
                assertThat(failure).as("the backup without room").isNotNull();
                assertThat(failure.code()).as("%s", failure).isEqualTo(ErrorCode.NO_SPACE);
                assertThat(guest.hasBackupJob()).isFalse();
                Files.deleteIfExists(small.resolve("filled"));
                assertThat(small).isEmptyDirectory();
                assertThat(protection.repository().points().points()).isEmpty();
                beat.restart();
                beat.awaitBeat(Duration.ofSeconds(10));
            }
            // An error that the guest saw would have made it mount its file system read-only, sooner or later.
            assertThat(guest.run("dmesg")).doesNotContain("I/O error");

            try (Protection protection =
                    Protection.open(repository, guest.name(), Protection.config(lab.newFolder("scratch")))) {
                guest.sync();
                Map<String, Path> reference = guest.frozenReference(lab.newFolder("reference"));
                BackupReport report = protection.backup(request -> request.quiesce(QuiesceMode.NONE));
                protection.assertRestores(report.point(), reference, folder.resolve("restored"));
            }
        }
    }
}
