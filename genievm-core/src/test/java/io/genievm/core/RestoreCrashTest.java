package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.Lab;
import io.genievm.testkit.fault.CrashFileSystem;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What is left of a restore into a folder after a power cut, and after a disk that could not be forced. */
class RestoreCrashTest {
    private static final VmId WEB = new VmId("web");
    private static final int STATES = 300;

    private final Lab lab = new Lab(Lab.SMALL, 1);
    private final CrashFileSystem disk = CrashFileSystem.create(1);
    private final Path folder = disk.getPath("/srv/vms/web");
    private SessionId point;
    private Map<DiskId, byte[]> content;

    @BeforeEach
    void prepare() {
        lab.addVm("web", 150_000);
        // With a hole, and an end that nothing is written to.
        lab.hypervisor().vm("web").addDisk("data", 200_000).write(50_000, Lab.random(2, 70_000));
        point = lab.backup("web").point();
        content = lab.contentOf(WEB);
    }

    @AfterEach
    void close() {
        lab.close();
    }

    @Test
    @DisplayName("what was restored when the power is cut stays restored, in folders that were not there before")
    void afterTheAnswer() throws IOException {
        disk.shortTransfers(true);
        Lab.await(restore());
        int answered = disk.moment();
        // Others go on, and make nothing durable by it.
        Path other = Files.createDirectory(disk.getPath("/other"));
        for (int i = 0; i < 5; i++) {
            Files.write(other.resolve("file" + i), Lab.random(i, 5_000));
        }
        Random random = new Random(1);
        for (int seed = 0; seed < STATES; seed++) {
            int moment = seed % 2 == 0 ? answered : answered + random.nextInt(disk.moment() - answered + 1);
            CrashFileSystem left = disk.crash(moment, seed);
            assertThat(found(left)).as("disks in %s", left).hasSize(2);
        }
    }

    @Test
    @DisplayName("what has its name when the power is cut is whole, at whatever moment")
    void beforeTheAnswer() throws IOException {
        Lab.await(restore());
        Random random = new Random(2);
        int named = 0;
        for (int seed = 0; seed < STATES; seed++) {
            // Nearly all moments are before the first name.
            int ago = seed % 2 == 0 ? random.nextInt(Math.min(12, disk.moment())) : random.nextInt(disk.moment() + 1);
            named += found(disk.crash(disk.moment() - ago, seed)).size();
        }
        assertThat(named).isPositive();
    }

    @Test
    @DisplayName("whichever name can not be made durable, all names are taken back, and a repetition restores")
    void forceFails() throws IOException {
        AtomicInteger left = new AtomicInteger(Integer.MAX_VALUE);
        disk.hook(event -> {
            if (event.call() == CrashFileSystem.Call.FORCE
                    && Files.isDirectory(event.path())
                    && left.getAndDecrement() == 0) {
                throw new IOException("Input/output error");
            }
        });
        // The folder, the two above it that were made with it, and the root.
        for (int forced = 0; forced < 4; forced++) {
            left.set(forced);

            GenieVmException failure = Lab.failureOf(restore());

            assertThat(failure.code()).isEqualTo(ErrorCode.IO_ERROR);
            assertThat(failure).hasMessageContaining("durable");
            assertThat(disk.getPath("/srv")).as("failure %s", forced).doesNotExist();
        }
        left.set(4);
        Lab.await(restore());
        assertThat(left).hasValue(0);
        assertThat(found(disk)).hasSize(2);
    }

    @Test
    @DisplayName("a folder of somebody else above that can not be opened is no reason to fail")
    void foldersOfOthers() throws IOException {
        Files.createDirectories(disk.getPath("/srv/vms"));
        disk.hook(event -> {
            if (event.call() == CrashFileSystem.Call.OPEN && event.path().equals(disk.getPath("/srv"))) {
                throw new IOException("Permission denied");
            }
        });
        Lab.await(restore());
        assertThat(found(disk)).hasSize(2);
    }

    @Test
    @DisplayName("when another file takes the name of the second disk, the first one's is taken back")
    void nameIsTaken() throws IOException {
        disk.hook(event -> {
            if (event.call() == CrashFileSystem.Call.LINK && event.path().endsWith("root")) {
                disk.removeHook();
                Files.write(event.path(), new byte[] {1});
            }
        });

        GenieVmException failure = Lab.failureOf(restore());

        assertThat(failure.code()).isEqualTo(ErrorCode.ALREADY_EXISTS);
        assertThat(Files.readAllBytes(folder.resolve("root"))).containsExactly(1);
        assertThat(folder.resolve("data")).doesNotExist();
    }

    private TaskHandle<RestoreReport> restore() {
        return lab.repository()
                .restore(RestoreRequest.builder(WEB)
                        .point(point)
                        .toFolder(folder)
                        .build());
    }

    /** The disks that are there, which are as they were. */
    private Map<DiskId, byte[]> found(CrashFileSystem left) throws IOException {
        Map<DiskId, byte[]> found = new HashMap<>();
        for (Map.Entry<DiskId, byte[]> each : content.entrySet()) {
            Path file = left.getPath("/srv/vms/web").resolve(each.getKey().value());
            if (Files.exists(file)) {
                byte[] bytes = Files.readAllBytes(file);
                assertThat(bytes).as("%s in %s", file, left).isEqualTo(each.getValue());
                found.put(each.getKey(), bytes);
            }
        }
        return found;
    }
}
