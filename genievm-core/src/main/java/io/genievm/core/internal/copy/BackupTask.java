package io.genievm.core.internal.copy;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.ChunkBitmap;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.ParentMaps;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.PointCommit;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One backup of one VM, from the snapshot to the restore point. For one thread. */
public final class BackupTask {
    private static final int SESSIONS = 3;
    private static final int MAX_WARNINGS = 1000;
    private static final int RUN_BYTES = 1 << 20;

    private final RepositoryAccess access;
    private final HypervisorConnection connection;
    private final BackupRequest request;
    private final TaskControl control;
    private final long started = System.nanoTime();
    private final Map<DiskId, Long> readBefore = new HashMap<>();
    private final Map<DiskId, Long> storedBefore = new HashMap<>();
    private final int runChunks;
    private final Workers workers;
    private final long packMemory;

    /** Prepares a backup. */
    public BackupTask(
            RepositoryAccess access, HypervisorConnection connection, BackupRequest request, TaskControl control) {
        this.access = access;
        this.connection = connection;
        this.request = request;
        this.control = control;
        this.runChunks = Math.max(1, Math.min(RUN_BYTES / access.options().chunkSize(), MapPage.FAN_OUT));
        long worker = CopyWorker.memory(access.options(), runChunks);
        // Half of the memory for packs at the least: without them no worker gets anything done.
        long count = Math.max(1, Math.min(access.parallelism(), access.memoryBudget() / 2 / worker));
        this.workers = new Workers(access.executor(), (int) count);
        this.packMemory = access.memoryBudget() - count * worker;
    }

    /** Runs it; begins anew when others have ended its session. */
    public BackupReport run() {
        checkRequest();
        for (int attempt = 1; ; attempt++) {
            try (WriterSession session = WriterSession.open(access, request.vm(), packMemory, control::checkpoint)) {
                BackupReport report = runSession(session);
                if (report != null) {
                    return report;
                }
            }
            if (attempt == SESSIONS) {
                throw new GenieVmException(
                        ErrorCode.FENCED,
                        Resource.of(request.vm()),
                        "the backup was begun " + SESSIONS + " times, and each time its session was ended by another"
                                + " process");
            }
        }
    }

    /** Refuses what can not be, before anything is touched. */
    private void checkRequest() {
        List<DiskId> known = connection.describe(request.vm()).disks().stream()
                .map(VmDescription.Disk::id)
                .toList();
        for (DiskId disk : request.excludedDisks()) {
            if (!known.contains(disk)) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND,
                        Resource.of(request.vm(), disk),
                        "VM '" + request.vm() + "' has no disk '" + disk + "' to leave out; it has " + known);
            }
        }
    }

    /** Gives {@code null} when the session was fenced. */
    private @Nullable BackupReport runSession(WriterSession session) {
        try {
            PointCatalog catalog = PointCatalog.read(access.checkedBy(control::checkpoint), request.vm());
            for (PointCatalog.LostPoint lost : catalog.lost()) {
                if (lost.isTooNew()) {
                    // Whoever wrote it knows rules for writers that this software does not.
                    throw lost.cause();
                }
                control.meter().warn(new Warning("POINT_DAMAGED", null, lost.message()));
            }
            session.index().base().warnOfProblems(control.meter());
            return runSession(session, catalog, catalog.points().isEmpty() ? null : catalog.latest());
        } catch (RuntimeException | Error e) {
            session.giveUp(e);
            throw e;
        }
    }

    private @Nullable BackupReport runSession(WriterSession session, PointCatalog catalog, @Nullable Manifest parent) {
        try (ParentMaps parentMaps = new ParentMaps(
                access.checkedBy(control::checkpoint), session.index().base(), parent)) {
            BackupReport report = null;
            for (boolean last = false, again = true; again; last = true) {
                VmSnapshot snapshot = beginSnapshot(session, parent);
                again = false;
                Throwable failure = null;
                try {
                    report = runSnapshot(session, snapshot, parentMaps, last, catalog, parent);
                } catch (GenieVmException e) {
                    failure = e;
                    again = e.code().equals(ErrorCode.SOURCE_CHANGED) && !last && !control.isCancelled();
                    if (!again) {
                        throw e;
                    }
                } catch (RuntimeException | Error e) {
                    failure = e;
                    throw e;
                } finally {
                    close(snapshot, failure);
                }
            }
            return report;
        }
    }

    private @Nullable BackupReport runSnapshot(
            WriterSession session,
            VmSnapshot snapshot,
            ParentMaps parentMaps,
            boolean last,
            PointCatalog catalog,
            @Nullable Manifest parent) {
        Instant created = access.clock().instant();
        List<CopiedDisk> disks;
        try {
            checkDisks(snapshot);
            session.beginReading();
            disks = copy(session, snapshot, parentMaps, last);
        } catch (RuntimeException | Error e) {
            abandon(snapshot, e);
            throw e;
        }
        return commit(session, snapshot, catalog, parent, created, disks);
    }

    /** A disk that is gone at the second reading must not be missing from the point without a word. */
    private void checkDisks(VmSnapshot snapshot) {
        Set<DiskId> now = new HashSet<>();
        snapshot.disks().forEach(disk -> now.add(disk.id()));
        for (DiskId disk : readBefore.keySet()) {
            if (!now.contains(disk)) {
                throw new GenieVmException(
                        ErrorCode.SOURCE_CHANGED,
                        Resource.of(request.vm(), disk),
                        "disk '" + disk + "' of VM '" + request.vm() + "' has vanished while it was read");
            }
        }
    }

    private VmSnapshot beginSnapshot(WriterSession session, @Nullable Manifest parent) {
        List<TaskControl.Registration> registrations = new ArrayList<>();
        try {
            return connection.beginSnapshot(request.vm(), snapshotRequest(session, parent, registrations));
        } finally {
            synchronized (registrations) {
                registrations.forEach(TaskControl.Registration::close);
            }
        }
    }

    /** A snapshot that can not be cleared away is no reason to take back a point that is there, nor the news of a failure. */
    private void close(VmSnapshot snapshot, @Nullable Throwable failure) {
        try {
            snapshot.close();
        } catch (RuntimeException e) {
            if (failure == null) {
                control.meter().warn(new Warning("CLEANUP_FAILED", null, String.valueOf(e.getMessage())));
            } else {
                failure.addSuppressed(e);
            }
        }
    }

    private SnapshotRequest snapshotRequest(
            WriterSession session, @Nullable Manifest parent, List<TaskControl.Registration> registrations) {
        Map<DiskId, ChangeToken> tokens = new HashMap<>();
        if (parent != null && parent.source().equals(connection.sourceId())) {
            for (Manifest.Disk disk : parent.disks()) {
                String token = disk.token();
                if (token != null) {
                    tokens.put(disk.id(), new ChangeToken(token));
                }
            }
        }
        return SnapshotRequest.builder(access.id(), session.id())
                .quiesce(request.quiesce())
                .excludedDisks(request.excludedDisks())
                .parentTokens(tokens)
                .endedSessions(other -> WriterSession.hasEnded(access, request.vm(), other))
                .cancellation(new Cancellation() {
                    @Override
                    public boolean isCancelled() {
                        return control.isCancelled();
                    }

                    @Override
                    public void onCancel(Runnable action) {
                        synchronized (registrations) {
                            registrations.add(control.onCancel(action));
                        }
                    }
                })
                .build();
    }

    private List<CopiedDisk> copy(
            WriterSession session, VmSnapshot snapshot, ParentMaps parentMaps, boolean lastAttempt) {
        control.meter().enter(TaskPhase.COPY);
        List<DiskCopy> disks = new ArrayList<>();
        List<DiffCounter> counters = new ArrayList<>();
        TaskControl.Registration breakOff = control.onCancel(() -> {
            synchronized (disks) {
                disks.forEach(DiskCopy::close);
            }
        });
        try {
            for (SnapshotDisk disk : snapshot.disks()) {
                control.checkpoint();
                ChunkBitmap planned = plan(disk);
                DiffCounter counter = new DiffCounter(
                        parentMaps,
                        disk.id(),
                        planned.chunks(),
                        disk.capacity(),
                        access.options().chunkSize());
                DiskCopy copy = new DiskCopy(
                        disks.size(),
                        disk,
                        planned,
                        new MapWriter(planned, session::storePage, counter),
                        control.meter().disk(disk.id()),
                        lastAttempt && request.allowInconsistent());
                synchronized (disks) {
                    disks.add(copy);
                }
                counters.add(counter);
                countPlanned(copy);
            }
            RunQueue queue = new RunQueue(disks, runChunks);
            workers.run(stop -> {
                try (CopyWorker worker =
                        new CopyWorker(control, session, queue, disks, access.options(), runChunks, request.codec())) {
                    worker.run(stop);
                }
            });
            control.checkpoint();
        } finally {
            breakOff.close();
            disks.forEach(DiskCopy::close);
            for (DiskCopy copy : disks) {
                readBefore.merge(copy.disk.id(), copy.meter.readBytes(), Long::sum);
                storedBefore.merge(copy.disk.id(), copy.storedBytes.sum(), Long::sum);
            }
        }
        List<CopiedDisk> copied = new ArrayList<>();
        for (DiskCopy copy : disks) {
            boolean consistent = confirm(copy.disk, lastAttempt) && !copy.lost;
            copied.add(new CopiedDisk(
                    copy, copy.map.finish(), counters.get(copy.number).finish(), consistent));
        }
        return copied;
    }

    private ChunkBitmap plan(SnapshotDisk disk) {
        int chunkSize = access.options().chunkSize();
        if (disk.capacity() < 0 || disk.capacity() / chunkSize >= ChunkBitmap.MAX_CHUNKS) {
            throw new GenieVmException(
                    ErrorCode.LIMIT_EXCEEDED,
                    Resource.of(request.vm(), disk.id()),
                    "disk '" + disk.id() + "' has " + disk.capacity() + " bytes; with chunks of " + chunkSize
                            + " bytes a disk has less than " + ChunkBitmap.MAX_CHUNKS * chunkSize);
        }
        try (ExtentCursor allocated = disk.allocated()) {
            ChunkBitmap planned =
                    ChunkBitmap.of(allocated, disk.capacity(), chunkSize, Resource.of(request.vm(), disk.id()));
            int alignment = disk.limits().alignment();
            if (alignment > chunkSize) {
                planned.widen(alignment / chunkSize);
            }
            return planned;
        }
    }

    private void countPlanned(DiskCopy copy) {
        int chunkSize = access.options().chunkSize();
        long chunks = copy.planned.chunks();
        long bytes = copy.planned.count(0, chunks) * chunkSize;
        if (chunks > 0 && copy.planned.nextSet(chunks - 1) >= 0) {
            bytes -= chunks * chunkSize - copy.capacity;
        }
        copy.meter.plan(copy.capacity);
        copy.meter.skip(copy.capacity - bytes);
    }

    /** Whether what was read of a disk is of one moment. */
    private boolean confirm(SnapshotDisk disk, boolean lastAttempt) {
        try {
            disk.confirmUnchanged();
            return true;
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.SOURCE_CHANGED) || !lastAttempt || !request.allowInconsistent()) {
                throw e;
            }
            control.meter().warn(new Warning("SOURCE_CHANGED", disk.id(), e.getMessage()));
            return false;
        }
    }

    private @Nullable BackupReport commit(
            WriterSession session,
            VmSnapshot snapshot,
            PointCatalog catalog,
            @Nullable Manifest parent,
            Instant created,
            List<CopiedDisk> disks) {
        control.meter().enter(TaskPhase.COMMIT);
        PointCommit.Outcome outcome;
        Manifest manifest;
        try {
            session.finishData();
            for (DriverFact fact : snapshot.facts()) {
                control.meter().warn(new Warning(fact.code(), fact.disk(), fact.message()));
            }
            manifest = manifest(session, snapshot, catalog, parent, created, disks);
            // The last moment to turn back: from here on the point may be there.
            control.checkpoint();
            outcome = session.commit(manifest);
        } catch (RuntimeException | Error e) {
            if (session.isOutcomeKnown()) {
                abandon(snapshot, e);
            }
            throw e;
        }
        if (outcome == PointCommit.Outcome.FENCED) {
            GenieVmException fenced = new GenieVmException(
                    ErrorCode.FENCED, Resource.of(request.vm()), "session " + session.id() + " was fenced");
            abandon(snapshot, fenced);
            session.giveUp(fenced);
            return null;
        }
        try {
            snapshot.committed();
        } catch (RuntimeException e) {
            control.meter().warn(new Warning("CLEANUP_FAILED", null, String.valueOf(e.getMessage())));
        }
        return report(session, manifest, parent);
    }

    private Manifest manifest(
            WriterSession session,
            VmSnapshot snapshot,
            PointCatalog catalog,
            @Nullable Manifest parent,
            Instant created,
            List<CopiedDisk> disks) {
        VmDescription description = snapshot.description();
        Set<DiskId> present = new HashSet<>();
        disks.forEach(disk -> present.add(disk.copy.disk.id()));
        List<Manifest.OmittedDisk> omitted = description.disks().stream()
                .filter(disk -> !present.contains(disk.id()))
                .map(disk -> new Manifest.OmittedDisk(
                        disk.id(),
                        disk.capacity(),
                        request.excludedDisks().contains(disk.id()) ? "EXCLUDED" : "SKIPPED"))
                .toList();
        return new Manifest(
                access.id(),
                session.id(),
                request.vm(),
                description.name(),
                catalog.nextSequence(),
                parent == null ? null : parent.point(),
                created,
                RepositoryAccess.GENERATOR,
                connection.providerName(),
                connection.sourceId(),
                snapshot.quiesced(),
                request.codec(),
                session.packCount(),
                session.tableCount(),
                description.hardware(),
                disks.stream().map(disk -> manifestDisk(disk, session.id())).toList(),
                omitted,
                limited(control.meter().warnings()));
    }

    private Manifest.Disk manifestDisk(CopiedDisk disk, SessionId point) {
        SnapshotDisk source = disk.copy.disk;
        return new Manifest.Disk(
                source.id(),
                disk.copy.capacity,
                disk.root,
                DiskPlan.ALL,
                null,
                readBefore.getOrDefault(source.id(), 0L),
                disk.changedBytes,
                storedBefore.getOrDefault(source.id(), 0L),
                disk.consistent ? source.token().map(ChangeToken::value).orElse(null) : null,
                Trust.PROVEN,
                point,
                disk.consistent,
                null,
                null);
    }

    private static List<Warning> limited(List<Warning> warnings) {
        if (warnings.size() <= MAX_WARNINGS) {
            return warnings;
        }
        List<Warning> kept = new ArrayList<>(warnings.subList(0, MAX_WARNINGS - 1));
        kept.add(
                new Warning("WARNINGS_OMITTED", null, (warnings.size() - kept.size()) + " more warnings are not kept"));
        return kept;
    }

    private BackupReport report(WriterSession session, Manifest manifest, @Nullable Manifest parent) {
        return new BackupReport(
                session.id(),
                request.vm(),
                manifest.sequence(),
                parent == null ? null : parent.point(),
                manifest.disks().stream()
                        .map(disk -> new BackupReport.Disk(
                                disk.id(),
                                disk.capacity(),
                                disk.plan(),
                                disk.reason(),
                                disk.readBytes(),
                                disk.changedBytes(),
                                disk.storedBytes(),
                                disk.trust(),
                                BackupReport.Audit.NONE))
                        .toList(),
                session.storedBytes(),
                control.meter().warnings(),
                Duration.ofNanos(System.nanoTime() - started));
    }

    private static void abandon(VmSnapshot snapshot, Throwable reason) {
        try {
            snapshot.abandoned();
        } catch (RuntimeException e) {
            reason.addSuppressed(e);
        }
    }

    private record CopiedDisk(DiskCopy copy, byte @Nullable [] root, long changedBytes, boolean consistent) {}
}
