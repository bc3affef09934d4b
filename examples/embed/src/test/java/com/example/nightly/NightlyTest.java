package com.example.nightly;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskPhase;
import io.genievm.api.task.TaskState;
import io.genievm.core.BackupReport;
import io.genievm.core.DamagedPointException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** With real files: what comes back is compared byte by byte. */
class NightlyTest {
    @TempDir
    Path folder;

    private Nightly nightly;
    private HypervisorConnection host;

    @BeforeEach
    void open() throws Exception {
        Files.createDirectories(folder.resolve("vms/web"));
        image("root.raw", 1, 5_000_001);
        image("data.raw", 2, 700_000);
        nightly = new Nightly(folder.resolve("repository").toString());
        host = nightly.connect("images:" + folder.resolve("vms"));
    }

    @AfterEach
    void close() {
        host.close();
        nightly.close();
        assertFalse(
                Thread.getAllStackTraces().keySet().stream()
                        .anyMatch(thread -> thread.getName().startsWith("genievm-")),
                "no thread of GenieVM is left");
    }

    @Test
    void everyPointComesBackByteByByte() throws Exception {
        Queue<TaskEvent> events = new ConcurrentLinkedQueue<>();
        CountDownLatch finished = new CountDownLatch(1);
        byte[] before = Files.readAllBytes(folder.resolve("vms/web/root.raw"));
        BackupReport first = nightly.backUp(host, "web", event -> {
                    events.add(event);
                    if (event instanceof TaskEvent.Finished) {
                        finished.countDown();
                    }
                })
                .await();
        try (RandomAccessFile root =
                new RandomAccessFile(folder.resolve("vms/web/root.raw").toFile(), "rw")) {
            root.seek(1_234_567);
            root.write(new byte[] {1, 2, 3});
        }
        byte[] after = Files.readAllBytes(folder.resolve("vms/web/root.raw"));
        BackupReport second = nightly.backUp(host, "web", events::add).await();

        nightly.restore("web", first.point(), folder.resolve("first"));
        nightly.restore("web", second.point(), folder.resolve("second"));

        assertArrayEquals(before, Files.readAllBytes(folder.resolve("first/root.raw")));
        assertArrayEquals(after, Files.readAllBytes(folder.resolve("second/root.raw")));
        assertArrayEquals(
                Files.readAllBytes(folder.resolve("vms/web/data.raw")),
                Files.readAllBytes(folder.resolve("second/data.raw")));
        assertTrue(second.storedBytes() < first.storedBytes() / 4, "an unchanged chunk is stored once");
        assertTrue(nightly.verify().isOk());
        assertTrue(finished.await(1, TimeUnit.MINUTES));
        assertTrue(events.contains(new TaskEvent.PhaseStarted(TaskPhase.COPY)), "events: " + events);
        assertTrue(events.contains(new TaskEvent.Finished(TaskState.COMPLETED)), "events: " + events);
    }

    @Test
    void aCancelledBackupIsNoPoint() throws Exception {
        image("large.raw", 3, 100_000_000);
        TaskHandle<BackupReport> task = nightly.backUp(host, "web", event -> {});
        task.cancel();

        assertEquals("cancelled, and nothing is left of it", Nightly.outcomeOf(task));
        assertEquals(TaskState.CANCELLED, task.state());
        assertEquals(List.of(), nightly.verify().points());
        assertEquals(0, nightly.verify().unneededBytes());
    }

    @Test
    void errorsHaveCodes() throws Exception {
        TaskHandle<BackupReport> task = nightly.backUp(host, "no-such-vm", event -> {});

        assertTrue(Nightly.outcomeOf(task).startsWith("NOT_FOUND: "), Nightly.outcomeOf(task));
        GenieVmException unknown = assertThrows(GenieVmException.class, () -> nightly.connect("no-such-driver:x"));
        assertEquals(ErrorCode.UNSUPPORTED, unknown.code());
        assertTrue(unknown.getMessage().contains("images"), unknown.getMessage());
        nightly.close();
        nightly = new Nightly(folder.resolve("repository").toString());
    }

    @Test
    void damageIsFoundAndNotPassedOn() throws Exception {
        BackupReport report = nightly.backUp(host, "web", event -> {}).await();
        Path pack;
        try (Stream<Path> files = Files.walk(folder.resolve("repository/packs"))) {
            pack = files.filter(Files::isRegularFile)
                    .max(Comparator.comparing(file -> file.toFile().length()))
                    .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(pack);
        bytes[bytes.length / 2] ^= 1;
        Files.delete(pack);
        Files.write(pack, bytes);

        assertFalse(nightly.verify().isOk());
        assertThrows(
                DamagedPointException.class, () -> nightly.restore("web", report.point(), folder.resolve("restored")));
        assertFalse(Files.exists(folder.resolve("restored/root.raw")));
    }

    @Test
    void theMainMethodDoesItAll() throws Exception {
        Nightly.main(
                "images:" + folder.resolve("vms"),
                "web",
                folder.resolve("another").toString(),
                folder.resolve("restored").toString());

        assertArrayEquals(
                Files.readAllBytes(folder.resolve("vms/web/root.raw")),
                Files.readAllBytes(folder.resolve("restored/root.raw")));
    }

    private void image(String name, long seed, int length) throws Exception {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        Files.write(folder.resolve("vms/web").resolve(name), bytes);
    }
}
