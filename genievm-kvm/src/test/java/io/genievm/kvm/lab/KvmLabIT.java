package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** The lab itself: what other tests take for granted. */
@ExtendWith(KvmLab.Extension.class)
@Timeout(value = 3, unit = TimeUnit.MINUTES)
class KvmLabIT {
    private static byte[] random(int seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void aGuestDoesAsItIsToldAndLeavesNothing(KvmLab lab) throws Exception {
        Path folder;
        ProcessHandle process;
        String name;
        Path references = lab.newFolder("references");
        try (Guest guest = lab.guest().usual().network().start()) {
            name = guest.name();
            folder = guest.folder();
            process = guest.process();
            assertThat(lab.domains()).contains(name);
            assertThat(guest.state()).startsWith("running");
            assertThat(guest.isPaused()).isFalse();
            assertThat(guest.run("cat /mnt/vda/known.txt")).isEqualTo("known");
            assertThat(guest.exec("echo out; echo err >&2; exit 3")).isEqualTo(new Programs.Result(3, "out\nerr\n"));
            assertThat(guest.agentExec("echo out; exit 4")).isEqualTo(new Programs.Result(4, "out\n"));
            assertThat(guest.freezeStatus()).isEqualTo("thawed");

            whatIsWrittenIsInTheImage(guest, Files.createDirectory(references.resolve("data")));
            theHeartStopsWithTheGuest(guest);
            writingGoesOnUntilItIsStopped(guest);
            bitmapsAreFoundAndCleared(guest);
            aStoppedGuestHasTheBytesOfTheReference(guest, references);
        }
        assertThat(lab.domains()).doesNotContain(name);
        assertThat(process.isAlive()).isFalse();
        assertThat(folder).doesNotExist();
    }

    private static void whatIsWrittenIsInTheImage(Guest guest, Path into) throws IOException {
        byte[] expected = new byte[(24 << 20) + 5 * 512];
        for (long offset : new long[] {0, 65_535, 1_000_001, 3 << 20, expected.length - 77}) {
            byte[] bytes = random((int) offset, (int) Math.min(300_001, expected.length - offset));
            System.arraycopy(bytes, 0, expected, (int) offset, bytes.length);
            guest.writeAt("vdc", offset, bytes);
        }
        Arrays.fill(expected, 3_150_001, 3_150_001 + 200_003, (byte) 0);
        guest.discard("vdc", 3_150_001, 200_003);

        Path copy = guest.frozenReference(into).get("vdc");

        assertThat(guest.isPaused()).isFalse();
        assertThat(Files.readAllBytes(copy)).isEqualTo(expected);
    }

    private static void theHeartStopsWithTheGuest(Guest guest) throws InterruptedException {
        try (Heartbeat beat = guest.beat("vda")) {
            guest.suspend();
            assertThat(guest.isPaused()).isTrue();
            Thread.sleep(3000);
            guest.resume();
            beat.awaitBeat(Duration.ofSeconds(10));
            assertThat(beat.longestGap()).isGreaterThan(Duration.ofMillis(2500));
            beat.restart();
            assertThat(guest.agent("{\"execute\":\"guest-fsfreeze-freeze\"}").asInt())
                    .isEqualTo(2);
            assertThat(guest.freezeStatus()).isEqualTo("frozen");
            assertThat(guest.run("echo still here")).isEqualTo("still here");
            long beats = beat.beats();
            Thread.sleep(2500);
            assertThat(beat.beats()).isBetween(beats, beats + 1);
            guest.agent("{\"execute\":\"guest-fsfreeze-thaw\"}");
            beat.awaitBeat(Duration.ofSeconds(10));
            assertThat(beat.longestGap()).isGreaterThan(Duration.ofSeconds(2));
        }
    }

    private static void writingGoesOnUntilItIsStopped(Guest guest) throws InterruptedException {
        guest.startWriting("/mnt/vdb");
        Thread.sleep(1000);
        assertThat(guest.stopWriting()).isPositive();
        assertThat(guest.run("ls /mnt/vdb")).contains("written-0");
    }

    private static void bitmapsAreFoundAndCleared(Guest guest) {
        String node = null;
        for (var candidate : guest.qmp("{\"execute\":\"query-named-block-nodes\"}")) {
            if (candidate
                            .path("file")
                            .asText()
                            .equals(guest.disk("vdc").source().toString())
                    && candidate.path("drv").asText().equals("qcow2")) {
                node = candidate.get("node-name").asText();
            }
        }
        guest.qmp(
                "{\"execute\":\"block-dirty-bitmap-add\",\"arguments\":{\"node\":\"" + node + "\",\"name\":\"mine\"}}");
        assertThat(Objects.requireNonNull(guest.bitmaps("vdc").get("mine"))
                        .get("count")
                        .asLong())
                .isZero();
        guest.writeAt("vdc", 5, random(1, 65_536));
        assertThat(guest.bitmaps("vdc").get("mine").get("count").asLong()).isEqualTo(2 * 65_536);
        guest.clearBitmap("vdc", "mine");
        assertThat(guest.bitmaps("vdc").get("mine").get("count").asLong()).isZero();
    }

    private static void aStoppedGuestHasTheBytesOfTheReference(Guest guest, Path references) throws IOException {
        guest.writeFile("/mnt/vda/last", random(7, 100_000));
        String sum = guest.sha256("/mnt/vda/last");
        guest.powerOff();
        assertThat(guest.state()).startsWith("shut off");
        Path copy = Objects.requireNonNull(guest.reference(Files.createDirectory(references.resolve("stopped")))
                .get("vda"));
        assertThat(Programs.attempt(Duration.ofMinutes(1), "e2fsck", "-fn", copy.toString())
                        .status())
                .isZero();
        Path file = references.resolve("last");
        Programs.run("debugfs", "-R", "dump /last " + file, copy.toString());
        assertThat(Programs.run("sha256sum", file.toString())).startsWith(sum);
    }

    @Test
    void disksOfAllKindsAndNoAgent(KvmLab lab) throws IOException {
        Path medium = lab.newFolder("medium").resolve("medium.iso");
        Files.write(medium, random(2, 1 << 20));
        byte[] old = random(3, (1 << 20) + 512);
        byte[] backed = random(4, (2 << 20) + 1024);
        byte[] block = random(5, (3 << 20) + 512);
        try (Guest guest = lab.guest()
                .disk("vda", disk -> disk.oldQcow2().content(old))
                .disk("vdb", disk -> disk.backed().content(backed))
                .disk("vdc", disk -> disk.block().content(block))
                .cdrom("sda", medium)
                .withoutAgent()
                .start()) {
            assertThat(guest.exec("[ -e /dev/virtio-ports/org.qemu.guest_agent.0 ]")
                            .status())
                    .isEqualTo(1);
            byte[] change = random(6, 1000);
            for (Map.Entry<String, byte[]> disk :
                    Map.of("vda", old, "vdb", backed, "vdc", block).entrySet()) {
                guest.writeAt(disk.getKey(), 70_001, change);
                System.arraycopy(change, 0, disk.getValue(), 70_001, change.length);
            }
            var copies = guest.frozenReference(lab.newFolder("references"));
            assertThat(Files.readAllBytes(copies.get("vda"))).isEqualTo(old);
            assertThat(Files.readAllBytes(copies.get("vdb"))).isEqualTo(backed);
            assertThat(Files.readAllBytes(copies.get("vdc"))).isEqualTo(block);
            assertThat(Programs.run(
                            "qemu-img", "info", "-U", guest.disk("vda").source().toString()))
                    .contains("compat: 0.10");
            guest.kill9();
            assertThat(guest.state()).contains("crashed");
        }
        assertThat(Programs.run("losetup", "--list")).doesNotContain("/runs/");
    }
}
