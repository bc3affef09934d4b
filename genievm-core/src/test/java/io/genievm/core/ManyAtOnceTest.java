package io.genievm.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.testing.InterceptedStore;
import io.genievm.core.testing.Lab;
import io.genievm.core.testing.Seeds;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ThreadLocalRandom;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Writers, failing writers and readers on one repository at the same time: nobody waits, nobody sees damage. */
class ManyAtOnceTest {
    @TempDir
    private Path directory;

    @Test
    @DisplayName(
            "backups of several VMs, incremental and failing ones among them, while points are listed, checked, restored and deleted")
    void together() {
        Seeds.run(ManyAtOnceTest.class, "together", 1, this::run);
    }

    @Test
    @Tag("torture")
    @DisplayName("the same, 30 times")
    void longTogether() {
        Seeds.torture(ManyAtOnceTest.class, "longTogether", 30, this::run);
    }

    private void run(Random random) throws Exception {
        try (Lab lab = new Lab();
                HypervisorConnection connection = connect(lab, random.nextBoolean())) {
            for (int vm = 0; vm < 3; vm++) {
                lab.addVm("vm" + vm, 400_000 + random.nextInt(2_000_000));
            }
            Map<TaskHandle<BackupReport>, Map<DiskId, byte[]>> backups = new HashMap<>();
            lab.store().intercept(new SometimesFull(random.nextInt(30)));
            for (int round = 0; round < 5; round++) {
                List<TaskHandle<?>> tasks = new ArrayList<>();
                for (int vm = 0; vm < 3; vm++) {
                    lab.change("vm" + vm, random.nextInt(), 1 + random.nextInt(400_000));
                    for (int i = 1 + random.nextInt(2); i > 0; i--) {
                        Map<DiskId, byte[]> content = lab.contentOf(new VmId("vm" + vm));
                        TaskHandle<BackupReport> backup =
                                lab.repository().backup(connection, request("vm" + vm, random));
                        backups.put(backup, content);
                        tasks.add(backup);
                    }
                }
                TaskHandle<VerifyReport> verification = lab.repository().verify(VerifyRequest.EVERYTHING);
                for (RestorePoint point : lab.repository().points().points()) {
                    tasks.add(lab.repository()
                            .restore(RestoreRequest.builder(point.vm())
                                    .point(point.id())
                                    .toFolder(directory.resolve(round + "-" + point.id() + random.nextInt()))
                                    .build()));
                }
                SessionId deleted = null;
                if (random.nextBoolean() && !lab.points().isEmpty()) {
                    List<SessionId> known = List.copyOf(lab.points());
                    deleted = known.get(random.nextInt(known.size()));
                    lab.repository().delete(deleted);
                    lab.points().remove(deleted);
                }
                assertThat(lab.repository().points().unreadable()).isEmpty();
                if (random.nextBoolean()) {
                    tasks.get(0).cancel();
                }
                assertThat(Lab.await(verification).damage()).isEmpty();
                for (TaskHandle<?> task : tasks) {
                    try {
                        Object result = Lab.await(task);
                        if (result instanceof BackupReport report) {
                            lab.remember(report, backups.get(task));
                            assertThat(report.disks().get(0).reason()).isNotEqualTo("AUDIT_MISMATCH");
                            assertThat(report.warnings())
                                    .extracting(Warning::code)
                                    .doesNotContain("PARENT_DAMAGED");
                        }
                    } catch (GenieVmException e) {
                        if (task.name().startsWith("restore")) {
                            assertThat(e.getMessage()).contains(String.valueOf(deleted));
                            assertThat(e.code()).isEqualTo(ErrorCode.NOT_FOUND);
                            continue;
                        }
                        assertThat(task.name()).startsWith("backup");
                        assertThat(e.code()).as(e.toString()).isIn(ErrorCode.NO_SPACE, ErrorCode.CANCELLED);
                    }
                }
            }
            lab.store().stopIntercepting();
            assertThat(lab.hypervisor().openSnapshots()).isZero();
            assertThat(lab.store().keys("sessions/")).isEmpty();
            assertThat(lab.store().keys("progress/")).isEmpty();
            assertThat(lab.repository().points().points())
                    .extracting(RestorePoint::id)
                    .containsExactlyInAnyOrderElementsOf(lab.points());
            lab.assertWhole();
            for (SessionId point : lab.points()) {
                lab.assertRestores(point);
            }
        }
    }

    private static HypervisorConnection connect(Lab lab, boolean tracking) {
        lab.hypervisor().trackChanges(tracking);
        return lab.hypervisor().connect();
    }

    private static BackupRequest request(String vm, Random random) {
        return BackupRequest.builder(new VmId(vm))
                .codec(Codec.NONE)
                .audit(AuditMode.values()[random.nextInt(AuditMode.values().length)])
                .auditShare(1.0 / (1 + random.nextInt(4)))
                .build();
    }

    /** Takes some time now and then, and sometimes has no space. */
    private static final class SometimesFull implements InterceptedStore.Interceptor {
        private final int oneIn;

        SometimesFull(int oneIn) {
            this.oneIn = 10 + oneIn;
        }

        @Override
        public PutOutcome put(BlobStore store, String key, BlobContent content) {
            int chance = ThreadLocalRandom.current().nextInt(oneIn);
            if (chance == 1) {
                try {
                    Thread.sleep(5);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
            if (chance == 0 && !key.startsWith("witness/")) {
                throw new GenieVmException(ErrorCode.NO_SPACE, "full just now");
            }
            return store.put(key, content);
        }
    }
}
