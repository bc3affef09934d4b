package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Trust;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.repository.MapWriter;
import io.genievm.core.internal.repository.ParentMaps;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.PointCommit;
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
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** One backup of one VM, from the snapshot to the restore point. For one thread. */
public final class BackupTask {
    private static final int SESSIONS = 3;
    private static final int MAX_WARNINGS = 1000;
    private static final int MAX_EXTENTS = 1000;
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
            session.index().base().warnOfProblems(control.meter());
            PointCatalog catalog = PointCatalog.read(access.checkedBy(control::checkpoint), request.vm());
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
        try (ParentMaps maps = new ParentMaps(
                access.checkedBy(control::checkpoint), session.index().base(), parent.manifest())) {
            BackupReport report = null;
            for (boolean last = false, again = true; again; last = true) {
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
            WriterSession session, VmSnapshot snapshot, ParentMaps maps, boolean last, Parent parent) {
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
                .quiesce(request.quiesce())
                .excludedDisks(request.excludedDisks())
                .parentTokens(parent.tokens())
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
            findings = new Auditor(control, session, workers, access.options().chunkSize(), runChunks).audit(plans);
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
            copied.add(new CopiedDisk(copy, copy.map.finish(), findings.get(i), consistent));
        }
        return copied;
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
                    access.options().chunkSize());
            ProgressMeter.Disk meter = control.meter().disk(source.disk().id());
            meter.plan(source.capacity());
            meter.skip(source.capacity() - plan.read().bytes(access.options().chunkSize(), source.capacity()));
            disks.add(new DiskCopy(
                    plan, comparison, new MapWriter(plan.read(), plan.base(), session::storePage, comparison), meter));
            runs.add(new RunQueue.Source(plan.read(), source.concurrency()));
        }
        try {
            RunQueue queue = new RunQueue(runs, runChunks);
            workers.run(stop -> {
                try (CopyWorker worker =
                        new CopyWorker(control, session, queue, disks, access.options(), runChunks, request.codec())) {
                    worker.run(stop);
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
        try {
            session.finishData();
            snapshot.facts().stream()
                    .map(fact -> new Warning(fact.code(), fact.disk(), fact.message()))
                    .filter(warning -> !isToldOtherwise(warning))
                    .forEach(control.meter()::warn);
            // Before the manifest: whoever sees the new point knows what it has found out about the old ones.
            reportLies(session, parent, disks);
            manifest = manifest(session, snapshot, parent, created, disks);
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
        return report(session, manifest, disks);
    }

    /** A list of changes that fails is told when it does; a driver may tell of it as well. */
    private boolean isToldOtherwise(Warning warning) {
        return warning.code().equals(DriverFact.TRACKING_LOST)
                && warning.disk() != null
                && control.meter().warnings().stream()
                        .anyMatch(told ->
                                told.code().equals(warning.code()) && Objects.equals(told.disk(), warning.disk()));
    }

    /** Records the mismatches that audits have found, unless the disk itself was changing meanwhile. */
    private void reportLies(WriterSession session, Parent parent, List<CopiedDisk> disks) {
        for (CopiedDisk disk : disks) {
            ParentMaps.Disk before = disk.copy.planned.parent();
            if (!disk.audit.isMismatch() || before == null) {
                continue;
            }
            DiskId id = disk.id();
            List<Extent> extents = disk.lies(access.options().chunkSize());
            if (extents.isEmpty()) {
                control.meter()
                        .warn(new Warning(
                                "AUDIT_MISMATCH",
                                id,
                                "disk '" + id + "' holds data where the driver says that nothing is allocated, so all"
                                        + " of it was read"));
                continue;
            }
            String consequence = "as it changed while it was read, that says nothing about earlier points";
            if (disk.consistent) {
                List<SessionId> suspects = parent.unprovenSince(before.manifest());
                session.putIncident(new Incident(
                        access.id(),
                        session.id(),
                        request.vm(),
                        id,
                        access.clock().instant(),
                        before.manifest().provenPoint(),
                        suspects,
                        extents));
                consequence = suspects.isEmpty()
                        ? "no earlier point is affected"
                        : "suspect since then: "
                                + suspects.stream().map(SessionId::value).collect(Collectors.joining(", "));
            }
            control.meter()
                    .warn(new Warning(
                            "AUDIT_MISMATCH",
                            id,
                            "disk '" + id + "' differs in " + extents.size()
                                    + (extents.size() == 1 ? " range" : " ranges")
                                    + " that were called unchanged, so all of it was read; " + consequence));
        }
    }

    private Manifest manifest(
            WriterSession session, VmSnapshot snapshot, Parent parent, Instant created, List<CopiedDisk> disks) {
        VmDescription description = snapshot.description();
        Set<DiskId> present = new HashSet<>();
        disks.forEach(disk -> present.add(disk.id()));
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
                parent.catalog().nextSequence(),
                parent.idOrNull(),
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
        PlannedDisk planned = disk.copy.planned;
        ParentMaps.Disk before = planned.parent();
        boolean proven = planned.isProving();
        return new Manifest.Disk(
                disk.id(),
                planned.source().capacity(),
                disk.root,
                planned.plan(),
                planned.reason(),
                readBefore.getOrDefault(disk.id(), 0L),
                disk.copy.comparison.changedBytes(),
                storedBefore.getOrDefault(disk.id(), 0L),
                disk.consistent
                        ? planned.source()
                                .disk()
                                .token()
                                .map(ChangeToken::value)
                                .orElse(null)
                        : null,
                proven ? Trust.PROVEN : Trust.SAMPLED,
                proven || before == null ? point : before.manifest().provenPoint(),
                disk.consistent,
                auditState(planned, proven),
                audit(disk));
    }

    /** How later audits go on; the count of what was compared begins anew with a proof. */
    private static Manifest.@Nullable AuditState auditState(PlannedDisk planned, boolean proven) {
        Manifest.AuditState state;
        if (planned.audit() != null) {
            state = planned.audit().next();
        } else {
            state = planned.parent() == null
                    ? null
                    : planned.parent().manifest().auditState();
        }
        return state == null || !proven
                ? state
                : new Manifest.AuditState(state.seed(), state.stripes(), state.next(), 0);
    }

    private Manifest.@Nullable Audit audit(CopiedDisk disk) {
        PlannedDisk.Audit audit = disk.copy.planned.audit();
        if (audit == null) {
            return null;
        }
        return new Manifest.Audit(
                audit.stripe() == null ? null : audit.stripe().longValue(),
                disk.audit.comparedBytes(),
                disk.lies(access.options().chunkSize()));
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

    private BackupReport report(WriterSession session, Manifest manifest, List<CopiedDisk> disks) {
        List<BackupReport.Disk> reported = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            Manifest.Disk disk = manifest.disks().get(i);
            reported.add(new BackupReport.Disk(
                    disk.id(),
                    disk.capacity(),
                    disk.plan(),
                    disk.reason(),
                    disk.readBytes(),
                    disk.changedBytes(),
                    disk.storedBytes(),
                    disk.trust(),
                    reportedAudit(disks.get(i), disk.audit())));
        }
        return new BackupReport(
                session.id(),
                request.vm(),
                manifest.sequence(),
                manifest.parent(),
                reported,
                session.storedBytes(),
                control.meter().warnings(),
                Duration.ofNanos(System.nanoTime() - started));
    }

    private static BackupReport.Audit reportedAudit(CopiedDisk disk, Manifest.@Nullable Audit audit) {
        PlannedDisk.Audit planned = disk.copy.planned.audit();
        return planned == null || audit == null
                ? BackupReport.Audit.NONE
                : new BackupReport.Audit(
                        planned.share(), audit.comparedBytes(), disk.audit.readBytes(), audit.mismatches());
    }

    private static void abandon(VmSnapshot snapshot, Throwable reason) {
        try {
            snapshot.abandoned();
        } catch (RuntimeException e) {
            reason.addSuppressed(e);
        }
    }

    private record CopiedDisk(DiskCopy copy, byte @Nullable [] root, Auditor.Finding audit, boolean consistent) {
        DiskId id() {
            return copy.planned.source().disk().id();
        }

        /** The ranges that differ although they were called unchanged. */
        List<Extent> lies(int chunkSize) {
            return audit.isMismatch()
                    ? copy.comparison
                            .lies()
                            .extents(
                                    MAX_EXTENTS,
                                    chunkSize,
                                    copy.planned.source().capacity())
                    : List.of();
        }
    }
}
