package io.genievm.example.cli;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.DiskPlan;
import io.genievm.core.GenieVm;
import io.genievm.core.PointDiff;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreRequest;
import io.genievm.core.Trust;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * The main job on generated disks, through the public API only: back up, back up what has changed by the word of whoever
 * changed it, find a lie, compare points, verify, restore, compare every byte. What does not come out as it should ends
 * it.
 */
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

    static final DemoDisk LIED_ABOUT = DISKS.get(1);

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
            List<SessionId> points = new ArrayList<>();
            points.add(backUp("full backup", AuditMode.SAMPLE, repository, host).point());
            step(
                    "change disks",
                    () -> changeDisks(1, List.of()),
                    bytes -> said(Units.bytes(bytes) + " written, all told"));
            points.add(backUp("incremental", AuditMode.SAMPLE, repository, host).point());
            Extent secret = secret();
            step(
                    "change and lie",
                    () -> changeDisks(2, List.of(secret)),
                    bytes -> said(Units.bytes(bytes) + " written, " + Units.bytes(secret.length()) + " of them on "
                            + LIED_ABOUT.name() + " not told"));
            BackupReport audited = backUp("audited backup", AuditMode.FULL, repository, host);
            points.add(audited.point());
            step("look at audit", () -> requireFound(secret, audited), found -> said("the lie was found: " + found));
            step(
                    "look at points",
                    () -> requireSuspect(points.get(1), repository),
                    number -> said(LIED_ABOUT.name() + " of point " + number + " is suspect, and nothing else"));
            step(
                    "diff 2 and 3",
                    () -> diff(points.get(1), points.get(2), repository),
                    diff -> new Figures(
                            diff.readBytes(), null, Units.bytes(diff.differentBytes()) + " differ, as they should"));
            step("verify", () -> verify(repository), report -> new Figures(report.checkedBytes(), null, "no damage"));
            for (int age = 0; age < points.size(); age++) {
                restoreAndCompare(age + 1, points.get(age), age, repository);
            }
        }
        return List.copyOf(steps);
    }

    private long makeDisks() throws IOException {
        Path folder = Files.createDirectories(vms.resolve(VM.value()));
        long bytes = 0;
        for (DemoDisk disk : DISKS) {
            disk.create(folder, context.interruption()::check);
            new ChangeList(token(0), null, List.of()).write(folder.resolve(disk.name()));
            bytes += disk.capacity();
        }
        return bytes;
    }

    /** Gives the bytes written. */
    private long changeDisks(int age, List<Extent> secrets) throws IOException {
        Path folder = vms.resolve(VM.value());
        long bytes = 0;
        for (DemoDisk disk : DISKS) {
            bytes += disk.change(folder, age, context.interruption()::check);
            List<Extent> told = new ArrayList<>(disk.written(age));
            if (disk.equals(LIED_ABOUT)) {
                told.removeAll(secrets);
            }
            new ChangeList(token(age), token(age - 1), told).write(folder.resolve(disk.name()));
        }
        return bytes;
    }

    private static String token(int age) {
        return "age-" + age;
    }

    /** A block of which nobody will be told that it was written. */
    private static Extent secret() {
        List<Extent> differences = LIED_ABOUT.differences(1, 2);
        long offset = differences.get(differences.size() / 2).offset();
        return LIED_ABOUT.written(2).stream()
                .filter(block -> block.offset() == offset)
                .findFirst()
                .orElseThrow();
    }

    private BackupReport backUp(String name, AuditMode audit, Repository repository, HypervisorConnection host)
            throws IOException, InterruptedException {
        BackupRequest request = BackupRequest.builder(VM).audit(audit).build();
        return step(name, () -> follow(repository.backup(host, request)), Demo::figures);
    }

    private static Figures figures(BackupReport report) {
        long read = report.disks().stream()
                .mapToLong(disk -> disk.readBytes() + disk.audit().readBytes())
                .sum();
        String plans = Arrays.stream(DiskPlan.values())
                .map(plan -> disks(report, plan))
                .flatMap(Optional::stream)
                .collect(Collectors.joining(", "));
        return new Figures(read, report.storedBytes(), "point " + report.sequence() + ": " + plans);
    }

    private static Optional<String> disks(BackupReport report, DiskPlan plan) {
        long count = report.disks().stream().filter(disk -> disk.plan() == plan).count();
        return count == 0 ? Optional.empty() : Optional.of(Text.count(count, "disk") + " " + plan);
    }

    /** Gives what was found: the secret, and nothing else on any disk. */
    static String requireFound(Extent secret, BackupReport report) {
        for (BackupReport.Disk disk : report.disks()) {
            boolean liedAbout = disk.id().value().equals(LIED_ABOUT.name());
            List<Extent> expected = liedAbout ? List.of(secret) : List.of();
            require(
                    disk.audit().mismatches().equals(expected),
                    "the audit of " + disk.id() + " has found " + disk.audit().mismatches()
                            + ", and what was not told is " + expected);
        }
        return LIED_ABOUT.name() + ", bytes " + secret.offset() + " to " + (secret.end() - 1);
    }

    /** Gives the number of the point. */
    private static long requireSuspect(SessionId suspect, Repository repository) {
        long number = 0;
        for (RestorePoint point : repository.points().points()) {
            boolean expected = point.id().equals(suspect);
            number = expected ? point.sequence() : number;
            for (RestorePoint.Disk disk : point.disks()) {
                boolean liedAbout = disk.id().value().equals(LIED_ABOUT.name());
                require(
                        (disk.trust() == Trust.SUSPECT) == (expected && liedAbout),
                        disk.id() + " of point " + point.sequence() + " is " + Text.word(disk.trust()));
            }
        }
        return number;
    }

    private record Diff(long readBytes, long differentBytes) {}

    private static Diff diff(SessionId from, SessionId to, Repository repository) {
        Map<String, List<Extent>> expected = new TreeMap<>();
        DISKS.forEach(disk -> expected.put(disk.name(), disk.differences(1, 2)));
        Map<String, List<Extent>> shown = new TreeMap<>();
        try (PointDiff diff = repository.diff(from, to)) {
            diff.disks().forEach(disk -> shown.put(disk.id().value(), extents(disk)));
            require(
                    shown.equals(expected),
                    "diff shows that " + shown + " differ, and what was changed is " + expected);
            return new Diff(
                    diff.readBytes(),
                    shown.values().stream()
                            .flatMap(List::stream)
                            .mapToLong(Extent::length)
                            .sum());
        }
    }

    private static List<Extent> extents(PointDiff.Disk disk) {
        List<Extent> extents = new ArrayList<>();
        try (ExtentCursor cursor = disk.extents()) {
            while (cursor.next()) {
                extents.add(new Extent(cursor.offset(), cursor.length()));
            }
        }
        return extents;
    }

    private static void require(boolean right, String otherwise) {
        if (!right) {
            throw new GenieVmException(ErrorCode.INTERNAL_ERROR, otherwise);
        }
    }

    private VerifyReport verify(Repository repository) throws InterruptedException {
        VerifyReport report = follow(repository.verify(VerifyRequest.EVERYTHING));
        if (!report.isOk()) {
            throw new CorruptDataException(
                    Resource.NONE, "damage: " + Text.line(report.damage().get(0)), null);
        }
        return report;
    }

    private void restoreAndCompare(int which, SessionId point, int age, Repository repository)
            throws IOException, InterruptedException {
        Path target = directory.resolve("restored-" + which);
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
