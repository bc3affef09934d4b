package com.example.nightly;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.TaskCancelledException;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskEvent;
import io.genievm.api.task.TaskHandle;
import io.genievm.api.task.TaskListener;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.DamagedPointException;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** Keeps backups of VMs in one repository, with threads of its own. Safe for use by several threads. */
public final class Nightly implements AutoCloseable {
    private final ExecutorService threads;
    private final GenieVm genie;
    private final Repository repository;

    // guide: open
    public Nightly(String folder) {
        AtomicInteger count = new AtomicInteger();
        threads = Executors.newCachedThreadPool(work -> new Thread(work, "nightly-" + count.incrementAndGet()));
        genie = GenieVm.builder()
                .executor(threads)
                .parallelism(2)
                .memoryBudget(64 << 20)
                .open();
        repository = openOrCreate(BlobStoreConfig.of(folder));
    }

    private Repository openOrCreate(BlobStoreConfig place) {
        try {
            return genie.openRepository(place);
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND) || e.code().equals(ErrorCode.NOT_A_REPOSITORY)) {
                // Where something else lies already, this fails with ALREADY_EXISTS and harms nothing.
                return genie.createRepository(place, RepositoryOptions.DEFAULT);
            }
            throw e;
        }
    }
    // guide: end

    // guide: connect
    public HypervisorConnection connect(String address) {
        return genie.connect(HypervisorConfig.of(address));
    }
    // guide: end

    // guide: backup
    /** Starts a backup; whoever holds the handle can wait for it, pause it and cancel it. */
    public TaskHandle<BackupReport> backUp(HypervisorConnection host, String vm, TaskListener listener) {
        TaskHandle<BackupReport> task =
                repository.backup(host, BackupRequest.builder(new VmId(vm)).build());
        task.addListener(listener);
        return task;
    }
    // guide: end

    // guide: await
    /** Says in a line how a backup ended. */
    public static String outcomeOf(TaskHandle<BackupReport> task) throws InterruptedException {
        try {
            BackupReport report = task.await();
            return "point " + report.sequence() + ", " + report.storedBytes() + " bytes stored, "
                    + report.warnings().size() + " warnings";
        } catch (TaskCancelledException e) {
            return "cancelled, and nothing is left of it";
        } catch (GenieVmException e) {
            return e.code() + (e.isRetryable() ? ", try again: " : ": ") + e.getMessage();
        }
    }
    // guide: end

    // guide: restore
    /** Restores the disks of a point into a folder that does not exist, each as a raw file. */
    public RestoreReport restore(String vm, SessionId point, Path target) throws InterruptedException {
        RestoreRequest request = RestoreRequest.builder(new VmId(vm))
                .point(point)
                .toFolder(target)
                .build();
        try {
            return repository.restore(request).await();
        } catch (DamagedPointException e) {
            e.damage().forEach(damage -> System.err.println("can not be restored: " + damage));
            throw e;
        }
    }
    // guide: end

    public VerifyReport verify() throws InterruptedException {
        return repository.verify(VerifyRequest.EVERYTHING).await();
    }

    // guide: close
    /** Tasks that run are cancelled and waited for; the executor is ours to end. */
    @Override
    public void close() {
        repository.close();
        genie.close();
        threads.shutdown();
    }
    // guide: end

    /** Backs a VM up, verifies, and restores it: {@code ADDRESS VM REPOSITORY TARGET}. */
    public static void main(String... arguments) throws InterruptedException {
        try (Nightly nightly = new Nightly(arguments[2]);
                HypervisorConnection host = nightly.connect(arguments[0])) {
            TaskHandle<BackupReport> task = nightly.backUp(host, arguments[1], Nightly::print);
            // guide: cancel
            Thread cancelling = new Thread(() -> {
                task.cancel();
                task.completion()
                        .toCompletableFuture()
                        .completeOnTimeout(null, 5, TimeUnit.SECONDS)
                        .exceptionally(e -> null)
                        .join();
            });
            Runtime.getRuntime().addShutdownHook(cancelling);
            // guide: end
            System.out.println(outcomeOf(task));
            Runtime.getRuntime().removeShutdownHook(cancelling);
            if (!nightly.verify().isOk()) {
                throw new IllegalStateException("the repository is damaged");
            }
            nightly.restore(arguments[1], task.await().point(), Path.of(arguments[3]));
        }
    }

    // guide: listener
    private static void print(TaskEvent event) {
        if (event instanceof TaskEvent.PhaseStarted started) {
            System.out.println(started.phase());
        } else if (event instanceof TaskEvent.Progressed progressed) {
            System.out.println(progressed.progress().doneBytes() + " of "
                    + progressed.progress().plannedBytes());
        } else if (event instanceof TaskEvent.Warned warned) {
            System.out.println("warning: " + warned.warning());
        } else if (event instanceof TaskEvent.Finished finished) {
            System.out.println(finished.state());
        }
    }
    // guide: end
}
