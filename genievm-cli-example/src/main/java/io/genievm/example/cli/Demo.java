package io.genievm.example.cli;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The main job on generated disks, through the public API only: back up, change, back up, verify, restore, compare. */
final class Demo {
    /**
     * One row of the table.
     *
     * @param name what was done
     * @param figures what it came to
     * @param elapsed how long it took
     */
    record Step(String name, Figures figures, Duration elapsed) {}

    /**
     * What a step came to.
     *
     * @param readBytes bytes read from disks or from the repository, or {@code null} where a step reads none
     * @param storedBytes bytes added to the repository, or {@code null} where a step adds none
     * @param result in words
     */
    record Figures(@Nullable Long readBytes, @Nullable Long storedBytes, String result) {}

    private interface Work<T> {
        T perform() throws IOException, InterruptedException;
    }

    private static final VmId VM = new VmId("demo");
    private static final List<DemoDisk> DISKS = List.of(
            new DemoDisk("data.raw", (80L << 20) + 12_345, 30),
            new DemoDisk("root.raw", 160L << 20, 40),
            new DemoDisk("swap.raw", 16L << 20, 90));

    private final Context context;
    private final Path directory;
    private final Path vms;
    private final List<Step> steps = new ArrayList<>();

    Demo(Context context, Path directory) {
        this.context = context;
        this.directory = directory;
        this.vms = directory.resolve("vms");
    }

    List<Step> run() throws IOException, InterruptedException {
        step(
                "make disks",
                this::makeDisks,
                bytes -> said(Text.count(DISKS.size(), "disk") + ", " + Units.bytes(bytes)));
        BlobStoreConfig address =
                BlobStoreConfig.of(directory.resolve("repository").toString());
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.createRepository(address, RepositoryOptions.DEFAULT);
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + vms))) {
            SessionId first = backUp("first backup", repository, host);
            step("change disks", this::changeDisks, bytes -> said(Units.bytes(bytes) + " rewritten"));
            SessionId second = backUp("second backup", repository, host);
            step("verify", () -> verify(repository), report -> new Figures(report.checkedBytes(), null, "no damage"));
            restoreAndCompare("first", first, 0, repository);
            restoreAndCompare("second", second, 1, repository);
        }
        return List.copyOf(steps);
    }

    private long makeDisks() throws IOException {
        Path folder = Files.createDirectories(vms.resolve(VM.value()));
        long bytes = 0;
        for (DemoDisk disk : DISKS) {
            disk.create(folder, context.interruption()::check);
            bytes += disk.capacity();
        }
        return bytes;
    }

    private long changeDisks() throws IOException {
        long bytes = 0;
        for (DemoDisk disk : DISKS) {
            bytes += disk.change(vms.resolve(VM.value()), 1, context.interruption()::check);
        }
        return bytes;
    }

    private SessionId backUp(String name, Repository repository, HypervisorConnection host)
            throws IOException, InterruptedException {
        BackupRequest request = BackupRequest.builder(VM).build();
        return step(name, () -> follow(repository.backup(host, request)), Demo::figures)
                .point();
    }

    private static Figures figures(BackupReport report) {
        long read =
                report.disks().stream().mapToLong(BackupReport.Disk::readBytes).sum();
        return new Figures(read, report.storedBytes(), "point " + report.sequence());
    }

    private VerifyReport verify(Repository repository) throws InterruptedException {
        VerifyReport report = follow(repository.verify(VerifyRequest.EVERYTHING));
        if (!report.isOk()) {
            throw new CorruptDataException(
                    Resource.NONE, "damage: " + Text.line(report.damage().get(0)), null);
        }
        return report;
    }

    private void restoreAndCompare(String which, SessionId point, int age, Repository repository)
            throws IOException, InterruptedException {
        Path target = directory.resolve(which);
        RestoreRequest request =
                RestoreRequest.builder(VM).point(point).toFolder(target).build();
        step(
                "restore " + which,
                () -> follow(repository.restore(request)),
                report -> said(Text.count(report.files().size(), "file") + ", " + Units.bytes(report.writtenBytes())
                        + " written"));
        step("compare " + which, () -> compare(target, age), bytes -> said("all " + bytes + " bytes equal"));
    }

    /** Gives the bytes that were compared. */
    private long compare(Path folder, int age) throws IOException {
        long bytes = 0;
        for (DemoDisk disk : DISKS) {
            long mismatch = disk.mismatch(folder, age, context.interruption()::check);
            if (mismatch >= 0) {
                Path file = folder.resolve(disk.name());
                throw new GenieVmException(
                        ErrorCode.INTERNAL_ERROR,
                        Resource.named(file.toString()),
                        file + " is not what was backed up: byte " + mismatch + " differs");
            }
            bytes += disk.capacity();
        }
        return bytes;
    }

    private <T> T follow(TaskHandle<T> task) throws InterruptedException {
        return context.console().follow(task);
    }

    private static Figures said(String result) {
        return new Figures(null, null, result);
    }

    private <T> T step(String name, Work<T> work, Function<T, Figures> figures)
            throws IOException, InterruptedException {
        long start = System.nanoTime();
        T result = work.perform();
        steps.add(new Step(name, figures.apply(result), Duration.ofNanos(System.nanoTime() - start)));
        context.interruption().check();
        return result;
    }
}
