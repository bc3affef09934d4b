package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmSnapshot;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Trust;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.repository.PointMaps;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.repository.WriterSession;
import io.genievm.core.internal.task.ProgressMeter;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What a backup leaves behind: incidents, the manifest, and the report to whoever asked for it. For one thread. */
final class PointRecord {
    private static final int MAX_WARNINGS = 1000;

    private final RepositoryAccess access;
    private final BackupRequest request;
    private final WriterSession session;
    private final Parent parent;
    private final List<CopiedDisk> disks;
    private final ProgressMeter meter;

    PointRecord(
            RepositoryAccess access,
            BackupRequest request,
            WriterSession session,
            Parent parent,
            List<CopiedDisk> disks,
            ProgressMeter meter) {
        this.access = access;
        this.request = request;
        this.session = session;
        this.parent = parent;
        this.disks = disks;
        this.meter = meter;
    }

    /** Records where drivers were found to be wrong. */
    void putIncidents() {
        for (CopiedDisk disk : disks) {
            PointMaps.Disk before = disk.planned().parent();
            List<Extent> extents = disk.lies(access.options().chunkSize());
            if (before == null || extents.isEmpty() && !disk.finding().isMismatch()) {
                continue;
            }
            meter.warn(new Warning(
                    "AUDIT_MISMATCH",
                    disk.id(),
                    "disk '" + disk.id() + "' " + finding(disk, before.manifest(), extents)));
        }
    }

    private String finding(CopiedDisk disk, Manifest.Disk before, List<Extent> extents) {
        if (!extents.isEmpty()) {
            return "differs in " + ranges(extents.size()) + " called unchanged; all of it was read, and "
                    + consequence(disk, before, extents);
        }
        return disk.finding().isHoleMismatch()
                ? "holds data where the driver says that nothing is allocated; all of it was read"
                : "gave other data when it was read again; stored is what it gave then";
    }

    private static String ranges(int count) {
        return count == 1 ? "a range that was" : count + " ranges that were";
    }

    /** Puts the incident, unless the disk itself was changing while it was read, and says what it means. */
    private String consequence(CopiedDisk disk, Manifest.Disk before, List<Extent> extents) {
        if (!disk.consistent()) {
            return "as it changed while it was read, that says nothing about earlier points";
        }
        List<SessionId> suspects = parent.unprovenSince(before);
        session.putIncident(new Incident(
                access.id(),
                session.id(),
                request.vm(),
                disk.id(),
                access.clock().instant(),
                before.provenPoint(),
                suspects,
                extents));
        return suspects.isEmpty()
                ? "no earlier point is affected"
                : "suspect since then: "
                        + suspects.stream().map(SessionId::value).collect(Collectors.joining(", "));
    }

    /** The manifest, with all warnings so far. */
    Manifest manifest(VmSnapshot snapshot, HypervisorConnection connection, Instant created) {
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
                disks.stream().map(this::manifestDisk).toList(),
                omitted,
                limited(meter.warnings()));
    }

    private Manifest.Disk manifestDisk(CopiedDisk disk) {
        PlannedDisk planned = disk.planned();
        PointMaps.Disk before = planned.parent();
        boolean proven = disk.isProven();
        return new Manifest.Disk(
                disk.id(),
                planned.source().capacity(),
                disk.root(),
                planned.plan(),
                planned.reason(),
                disk.readBytes(),
                disk.comparison().changedBytes(),
                disk.storedBytes(),
                disk.consistent()
                        ? planned.source()
                                .disk()
                                .token()
                                .map(ChangeToken::value)
                                .orElse(null)
                        : null,
                proven ? Trust.PROVEN : Trust.SAMPLED,
                provenPoint(proven, before),
                disk.consistent(),
                auditState(planned, proven),
                disk.audit(access.options().chunkSize()));
    }

    private @Nullable SessionId provenPoint(boolean proven, PointMaps.@Nullable Disk before) {
        if (proven) {
            return session.id();
        }
        return before == null ? null : before.manifest().provenPoint();
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

    /** What the user is told when it is committed. */
    BackupReport report(Manifest manifest, Duration elapsed) {
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
                    disk.consistent() ? disk.trust() : Trust.SUSPECT,
                    reportedAudit(disks.get(i), disk.audit())));
        }
        return new BackupReport(
                session.id(),
                request.vm(),
                manifest.sequence(),
                manifest.parent(),
                reported,
                session.storedBytes(),
                meter.warnings(),
                elapsed);
    }

    private static BackupReport.Audit reportedAudit(CopiedDisk disk, Manifest.@Nullable Audit audit) {
        PlannedDisk.Audit planned = disk.planned().audit();
        return audit == null
                ? BackupReport.Audit.NONE
                : new BackupReport.Audit(
                        planned == null ? 1 : planned.share(),
                        audit.comparedBytes(),
                        disk.finding().readBytes(),
                        audit.mismatches());
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
}
