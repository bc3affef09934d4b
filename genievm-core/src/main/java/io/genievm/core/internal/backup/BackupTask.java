package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.plan.RunQueue;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.PointCommit;
import io.genievm.core.internal.repository.PointMaps;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.ProgressMeter;
import io.genievm.core.internal.task.TaskControl;
import io.genievm.core.internal.task.Workers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One backup of one VM, from the snapshot to the restore point. For one thread. */
public final class BackupTask {
    private static final int SESSIONS = 3;
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
    private final long aheadMemory;

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
        long rest = access.memoryBudget() - count * worker;
        this.aheadMemory = Math.min(rest / 6, RunReader.memory(access.options().chunkSize(), runChunks));
        this.packMemory = rest - aheadMemory;
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
            readBefore.clear();
            storedBefore.clear();
            session.index().base().warnOfProblems(control.meter());
            PointCatalog catalog = session.points();
            for (PointCatalog.LostPoint lost : catalog.lost()) {
                if (lost.isTooNew()) {
                    // Whoever wrote it knows rules for writers that this software does not.
                    throw lost.cause();
                }
                control.meter().warn(new Warning("POINT_DAMAGED", null, lost.message()));
            }
            for (PointCatalog.UnreadableIncident incident : catalog.unreadableIncidents()) {
                if (incident.isTooNew()) {
                    throw incident.cause();
                }
                control.meter().warn(incident.toWarning());
            }
            return runSession(session, Parent.in(catalog, connection));
        } catch (RuntimeException | Error e) {
            session.giveUp(e);
            throw e;
        }
    }

    private @Nullable BackupReport runSession(WriterSession session, Parent parent) {
        try (PointMaps maps = new PointMaps(
                access.checkedBy(control::checkpoint), session.index().base(), parent.manifest())) {
            BackupReport report = null;
            List<Warning> before = control.meter().warnings();
            for (boolean last = false, again = true; again; last = true) {
                // What was wrong with a snapshot that counts for nothing is not worth telling.
                control.meter().keepWarnings(before);
                VmSnapshot snapshot = beginSnapshot(session, parent);
                again = false;
                Throwable failure = null;
                try {
                    report = runSnapshot(session, snapshot, maps, last, parent);
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
            WriterSession session, VmSnapshot snapshot, PointMaps maps, boolean last, Parent parent) {
        Instant created = access.clock().instant();
        List<CopiedDisk> disks;
        try {
            checkDisks(snapshot);
            session.beginReading();
            disks = read(session, snapshot, new DiskPlanner(access, request, session, parent, maps, control), last);
        } catch (RuntimeException | Error e) {
            abandon(snapshot, e);
            throw e;
        }
        return commit(session, snapshot, parent, created, disks);
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

    private VmSnapshot beginSnapshot(WriterSession session, Parent parent) {
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
            WriterSession session, Parent parent, List<TaskControl.Registration> registrations) {
        return SnapshotRequest.builder(access.id(), session.id())
                .quiesce(quiesce())
                .excludedDisks(request.excludedDisks())
                .parentTokens(parent.tokens())
                .endedSessions(other -> WriterSession.hasEnded(access, request.vm(), other))
                .sessionEnder(dead -> WriterSession.end(access, request.vm(), dead))
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

    /** How far the guest is brought to rest: without a wish as far as no application is asked. */
    private QuiesceMode quiesce() {
        QuiesceMode wish = request.quiesce();
        if (wish != null) {
            return wish;
        }
        return connection.capabilities().contains(Capability.QUIESCE_FILE_SYSTEM)
                ? QuiesceMode.FILE_SYSTEM
                : QuiesceMode.NONE;
    }

    /** Plans, audits and copies all disks. */
    private List<CopiedDisk> read(
            WriterSession session, VmSnapshot snapshot, DiskPlanner planner, boolean lastAttempt) {
        control.meter().enter(TaskPhase.PREPARE);
        List<DiskSource> sources = new ArrayList<>();
        TaskControl.Registration breakOff = control.onCancel(() -> {
            synchronized (sources) {
                sources.forEach(DiskSource::close);
            }
        });
        List<DiskCopy> copies;
        List<Auditor.Finding> findings;
        try {
            List<PlannedDisk> plans = new ArrayList<>();
            for (SnapshotDisk disk : snapshot.disks()) {
                control.checkpoint();
                DiskSource source = new DiskSource(disk, lastAttempt && request.allowInconsistent());
                synchronized (sources) {
                    sources.add(source);
                }
                plans.add(planner.plan(source));
            }
            findings = new Auditor(control, session, workers, access.options().chunkSize(), runChunks, aheadMemory)
                    .audit(plans);
            for (int i = 0; i < plans.size(); i++) {
                if (findings.get(i).isMismatch()) {
                    plans.set(i, plans.get(i).mistrusted());
                }
            }
            copies = copy(session, plans);
        } finally {
            breakOff.close();
            sources.forEach(DiskSource::close);
        }
        List<CopiedDisk> copied = new ArrayList<>();
        for (int i = 0; i < copies.size(); i++) {
            DiskCopy copy = copies.get(i);
            DiskSource source = copy.planned.source();
            boolean consistent = confirm(source.disk(), lastAttempt) && !source.isLost();
            DiskId id = source.disk().id();
            copied.add(new CopiedDisk(
                    copy.planned,
                    copy.map.finish(),
                    copy.comparison,
                    findings.get(i),
                    readBefore.getOrDefault(id, 0L),
                    storedBefore.getOrDefault(id, 0L),
                    consistent));
        }
        return copied;
    }

    private Compressor compressor() {
        Compressor compressor = access.compressors().apply(request.codec());
        return request.checkCompression() ? compressor.checked() : compressor;
    }

    private List<DiskCopy> copy(WriterSession session, List<PlannedDisk> plans) {
        control.meter().enter(TaskPhase.COPY);
        List<DiskCopy> disks = new ArrayList<>();
        List<RunQueue.Source> runs = new ArrayList<>();
        for (PlannedDisk plan : plans) {
            DiskSource source = plan.source();
            LeafComparison comparison = new LeafComparison(
                    plan.parent(),
                    plan.calledChanged(),
                    source.capacity(),
                    access.options().chunkSize(),
                    session::storePagesAnew);
            ProgressMeter.Disk meter = control.meter().disk(source.disk().id());
            meter.plan(source.capacity());
            meter.skip(source.capacity() - plan.read().bytes(access.options().chunkSize(), source.capacity()));
            disks.add(new DiskCopy(
                    plan, comparison, new MapWriter(plan.read(), plan.base(), session::storePage, comparison), meter));
            runs.add(new RunQueue.Source(plan.read(), source.concurrency()));
        }
        try {
            RunQueue queue = new RunQueue(runs, runChunks);
            RunReader reader = new RunReader(
                    control,
                    queue,
                    plans.stream().map(PlannedDisk::source).toList(),
                    access.options().chunkSize(),
                    runChunks,
                    aheadMemory);
            workers.run(crew -> {
                try (CopyWorker worker = new CopyWorker(
                        control, session, reader.cursor(crew), disks, access.options(), runChunks, compressor())) {
                    worker.run(crew);
                }
            });
            control.checkpoint();
        } finally {
            for (DiskCopy copy : disks) {
                DiskId id = copy.planned.source().disk().id();
                readBefore.merge(id, copy.meter.readBytes(), Long::sum);
                storedBefore.merge(id, copy.storedBytes.sum(), Long::sum);
            }
        }
        return disks;
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
            WriterSession session, VmSnapshot snapshot, Parent parent, Instant created, List<CopiedDisk> disks) {
        control.meter().enter(TaskPhase.COMMIT);
        PointCommit.Outcome outcome;
        Manifest manifest;
        PointRecord record = new PointRecord(access, request, session, parent, disks, control.meter());
        try {
            session.finishData();
            warnOf(snapshot.facts());
            // Before the manifest: whoever sees the new point knows what it has found out about the old ones.
            record.putIncidents();
            manifest = record.manifest(snapshot, connection, created);
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
        return record.report(manifest, Duration.ofNanos(System.nanoTime() - started));
    }

    private void warnOf(List<DriverFact> facts) {
        for (DriverFact fact : facts) {
            Warning warning = new Warning(fact.code(), fact.disk(), fact.message());
            // A list of changes that fails is told when it does; a driver may tell of it as well.
            boolean isTold = fact.code().equals(DriverFact.TRACKING_LOST)
                    && fact.disk() != null
                    && control.meter().warnings().stream()
                            .anyMatch(told ->
                                    told.code().equals(warning.code()) && Objects.equals(told.disk(), warning.disk()));
            if (!isTold) {
                control.meter().warn(warning);
            }
        }
    }

    private static void abandon(VmSnapshot snapshot, Throwable reason) {
        try {
            snapshot.abandoned();
        } catch (RuntimeException e) {
            reason.addSuppressed(e);
        }
    }
}
