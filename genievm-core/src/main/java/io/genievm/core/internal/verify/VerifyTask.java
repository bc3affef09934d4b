package io.genievm.core.internal.verify;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.task.TaskPhase;
import io.genievm.core.Damage;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import io.genievm.core.internal.format.CollectionPlan;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.SessionRecord;
import io.genievm.core.internal.format.Witness;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.PackList;
import io.genievm.core.internal.repository.PointCatalog;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.restore.PointStream;
import io.genievm.core.internal.task.TaskControl;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One check of a repository, or of what one point needs. For one thread. */
public final class VerifyTask {
    private static final int MAX_FOREIGN = 100;

    private final RepositoryAccess access;
    private final VerifyRequest request;
    private final TaskControl control;
    private final long started = System.nanoTime();
    private final Findings findings = new Findings();
    private final LongAdder checkedBytes = new LongAdder();
    private final List<Manifest> withoutWitness = new ArrayList<>();
    private NeededSegments.@Nullable Unneeded unneeded;
    private int openSessions;

    /** Prepares a check. */
    public VerifyTask(RepositoryAccess access, VerifyRequest request, TaskControl control) {
        this.access = access.checkedBy(control::checkpoint);
        this.request = request;
        this.control = control;
    }

    /** Runs it. */
    public VerifyReport run() {
        control.meter().enter(TaskPhase.STRUCTURE);
        checkParameters();
        PointCatalog catalog = PointCatalog.read(access);
        SessionId point = request.point();
        if (point == null) {
            checkEverything(catalog);
        } else {
            Optional<PointCatalog.LostPoint> lost = catalog.lost().stream()
                    .filter(each -> each.session().equals(point))
                    .findFirst();
            if (lost.isPresent()) {
                findings.add(lost.get().toDamage());
            } else {
                checkPoint(catalog.point(point));
            }
        }
        List<Manifest> checked = catalog.points().stream()
                .filter(manifest -> point == null || manifest.point().equals(point))
                .toList();
        checked.forEach(manifest -> catalog.warnOfSuspects(manifest, manifest.disks(), control.meter()));
        return new VerifyReport(
                checkedBytes.sum(),
                unneeded == null ? null : Long.valueOf(unneeded.bytes()),
                unneeded == null
                        ? null
                        : new VerifyReport.Orphans(openSessions, unneeded.orphanPacks(), unneeded.orphanBytes()),
                checked.stream().map(catalog::toRestorePoint).toList(),
                findings.damage(),
                control.meter().warnings(),
                Duration.ofNanos(System.nanoTime() - started));
    }

    private void checkPoint(Manifest manifest) {
        if (!request.structureOnly()) {
            control.meter().enter(TaskPhase.DATA);
            try (PointStream stream = new PointStream(
                    access, control, manifest, manifest.disks(), () -> (disk, chunk, content, offset) -> {})) {
                addIfStillListed(stream.run(), manifest);
                stream.index().problems().forEach(this::note);
                checkedBytes.add(stream.fetchedBytes());
            }
            return;
        }
        try (IndexView index = loadIndex();
                MapCheck maps = new MapCheck(access, control, index, findings)) {
            addIfStillListed(maps.damage(List.of(manifest)), manifest);
            checkedBytes.add(maps.checkedBytes());
        }
    }

    private void checkEverything(PointCatalog catalog) {
        catalog.lost().forEach(lost -> findings.add(lost.toDamage()));
        Map<String, Long> sessions = checkSessions();
        Set<SessionId> orphaned = orphaned(sessions.keySet());
        checkWitnesses(catalog, sessions);
        checkWitnessesOfLost(catalog);
        checkIncidents();
        checkCollections();
        checkSignsOfLife();
        checkForeignKeys();
        try (IndexView index = loadIndex();
                MapCheck maps = new MapCheck(access, control, index, findings)) {
            checkCoverage(index.packs(), catalog);
            boolean whole = checkMaps(catalog, orphaned, index, maps);
            checkedBytes.add(maps.checkedBytes());
            if (!request.structureOnly()) {
                control.meter().enter(TaskPhase.DATA);
                new PackCheck(access, control, index.packs(), findings, checkedBytes).run();
            }
            if (!whole || findings.hasDamagedData()) {
                addIfStillListed(maps.damage(catalog.points()), catalog.points());
            }
        }
        checkWithoutWitness();
    }

    private boolean checkMaps(PointCatalog catalog, Set<SessionId> orphaned, IndexView index, MapCheck maps) {
        try (NeededSegments needed = new NeededSegments(access)) {
            boolean whole = maps.isWhole(catalog.points(), needed);
            unneeded = needed.unneeded(index.packs(), orphaned, control);
            return whole;
        }
    }

    /** A point that was deleted meanwhile is not damaged but not there any more. */
    private void addIfStillListed(List<Damage> damage, Manifest manifest) {
        if (!damage.isEmpty()) {
            PointCatalog.read(access, manifest.vm()).point(manifest.point());
            damage.forEach(findings::add);
        }
    }

    /** What is missing of points that were deleted meanwhile is no damage. */
    private void addIfStillListed(List<Damage> damage, List<Manifest> points) {
        Set<SessionId> deleted = new HashSet<>();
        if (!damage.isEmpty()) {
            for (Manifest manifest : points) {
                if (access.store()
                        .stat(ObjectKeys.point(manifest.vm(), manifest.point()))
                        .isEmpty()) {
                    deleted.add(manifest.point());
                }
            }
        }
        for (Damage each : damage) {
            List<SessionId> listed = each.points().stream()
                    .filter(point -> !deleted.contains(point))
                    .toList();
            if (!listed.isEmpty()) {
                findings.add(new Damage(each.object(), each.message(), listed, each.disk(), each.extent()));
            }
        }
    }

    private void checkParameters() {
        byte[] first = checkParameters(ObjectKeys.REPOSITORY);
        byte[] copy = checkParameters(ObjectKeys.REPOSITORY_COPY);
        if (first.length > 0 && copy.length > 0 && !Arrays.equals(first, copy)) {
            findings.object(ObjectKeys.REPOSITORY_COPY, ObjectKeys.REPOSITORY_COPY + " differs from the original");
        }
    }

    private byte[] checkParameters(String key) {
        try {
            byte[] bytes = access.store().getAll(key, Manifest.MAX_BYTES);
            RepositoryParameters.decode(key, bytes);
            checkedBytes.add(bytes.length);
            return bytes;
        } catch (GenieVmException e) {
            note(key, e);
            return new byte[0];
        }
    }

    /** Gives the keys of the sessions that are there. */
    private Map<String, Long> checkSessions() {
        Map<String, Long> sessions = new HashMap<>();
        for (BlobEntry entry : list(ObjectKeys.SESSIONS)) {
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(entry.key());
            if (key == null) {
                continue;
            }
            sessions.put(key.point(), entry.length());
            check(entry.key(), bytes -> SessionRecord.decode(entry.key(), access.id(), bytes));
        }
        return sessions;
    }

    /** The sessions that have no point, as far as there is a trace of them: those without outcome, and the fenced ones. */
    private Set<SessionId> orphaned(Set<String> sessions) {
        Set<String> open = new HashSet<>(sessions);
        Set<SessionId> orphaned = new HashSet<>();
        // After the sessions: one that has come to an end since they were listed has its outcome here.
        for (BlobEntry entry : list(ObjectKeys.POINTS)) {
            open.remove(entry.key());
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(entry.key());
            if (key != null && entry.length() == 0) {
                orphaned.add(key.session());
            }
        }
        openSessions = open.size();
        for (String point : open) {
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(point);
            if (key != null) {
                orphaned.add(key.session());
            }
        }
        return orphaned;
    }

    private void checkWitnesses(PointCatalog catalog, Map<String, Long> sessions) {
        BlobStore store = access.store();
        for (Manifest manifest : catalog.points()) {
            control.checkpoint();
            String key = ObjectKeys.witness(manifest.vm(), manifest.point());
            String pointKey = ObjectKeys.point(manifest.vm(), manifest.point());
            try {
                byte[] manifestBytes = store.getAll(pointKey, Manifest.MAX_BYTES);
                checkedBytes.add(manifestBytes.length);
                byte[] bytes = store.getAll(key, Manifest.MAX_BYTES);
                checkedBytes.add(bytes.length);
                if (!Witness.decode(key, access.id(), bytes).matches(manifestBytes)) {
                    findings.object(key, key + " and " + pointKey + " do not belong together");
                }
            } catch (GenieVmException e) {
                if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                    note(key, e);
                } else if (store.stat(pointKey).isPresent() && !sessions.containsKey(pointKey)) {
                    // With a session object it would be one that was killed right after its commit.
                    withoutWitness.add(manifest);
                }
            }
        }
    }

    /** Who deletes a point takes its witness first: a manifest without it for a moment only is no damage. */
    private void checkWithoutWitness() {
        for (Manifest manifest : withoutWitness) {
            control.checkpoint();
            String key = ObjectKeys.witness(manifest.vm(), manifest.point());
            if (access.store().stat(key).isEmpty()
                    && access.store()
                            .stat(ObjectKeys.point(manifest.vm(), manifest.point()))
                            .isPresent()) {
                findings.object(
                        key,
                        key + " is missing, the witness of point " + manifest.point()
                                + "; the next backup of the VM puts it again");
            }
        }
    }

    /** The witness of a point that is lost is all that tells of it. */
    private void checkWitnessesOfLost(PointCatalog catalog) {
        for (PointCatalog.LostPoint lost : catalog.lost()) {
            ObjectKeys.PointKey point = ObjectKeys.parsePoint(lost.key());
            if (point != null) {
                check(point.witness(), bytes -> Witness.decode(point.witness(), access.id(), bytes));
            }
        }
    }

    private void checkIncidents() {
        for (BlobEntry entry : list(ObjectKeys.INCIDENTS)) {
            if (ObjectKeys.isIncident(entry.key())) {
                check(entry.key(), bytes -> Incident.decode(entry.key(), access.id(), bytes));
            }
        }
    }

    private void checkCollections() {
        for (BlobEntry entry : list(ObjectKeys.COLLECTIONS)) {
            ObjectKeys.CollectionKey key = ObjectKeys.parseCollection(entry.key());
            if (key != null) {
                check(entry.key(), bytes -> {
                    if (key.verdict()) {
                        CollectionPlan.decodeVerdict(entry.key(), access.id(), bytes);
                    } else {
                        CollectionPlan.decodePlan(entry.key(), access.id(), bytes);
                    }
                });
            }
        }
    }

    private void checkSignsOfLife() {
        for (BlobEntry entry : list(ObjectKeys.PROGRESS)) {
            if (entry.length() > 0 && ObjectKeys.parseProgress(entry.key()) != null) {
                findings.object(entry.key(), entry.key() + " has " + entry.length() + " bytes and should be empty");
            }
        }
    }

    /** Checks a document that may vanish meanwhile. */
    private void check(String key, Consumer<byte[]> decoder) {
        try {
            byte[] bytes = access.store().getAll(key, Manifest.MAX_BYTES);
            decoder.accept(bytes);
            checkedBytes.add(bytes.length);
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                note(key, e);
            }
        }
    }

    private void checkForeignKeys() {
        long foreign = 0;
        try (BlobCursor cursor = access.store().list("")) {
            while (cursor.next()) {
                String key = cursor.entry().key();
                if (!isOurs(key) && ++foreign <= MAX_FOREIGN) {
                    warnOfForeign(key + " is not part of the repository; it is never read or deleted");
                }
            }
        }
        if (foreign > MAX_FOREIGN) {
            warnOfForeign((foreign - MAX_FOREIGN) + " more objects are not part of the repository");
        }
    }

    private void warnOfForeign(String message) {
        control.meter().warn(new Warning("FOREIGN_OBJECT", null, message));
    }

    private static boolean isOurs(String key) {
        return key.equals(ObjectKeys.REPOSITORY)
                || key.equals(ObjectKeys.REPOSITORY_COPY)
                || PackName.ofKey(key) != null
                || ObjectKeys.parseIndex(key) != null
                || ObjectKeys.parsePoint(key) != null
                || ObjectKeys.isIncident(key)
                || ObjectKeys.parseProgress(key) != null
                || ObjectKeys.parseCollection(key) != null;
    }

    private IndexView loadIndex() {
        IndexView index = IndexView.load(
                access.store(),
                access.id(),
                access.workFiles(),
                List.of(),
                IndexView.Adoption.ALL,
                control::checkpoint);
        index.problems().forEach(this::note);
        list(ObjectKeys.INDEX).forEach(entry -> checkedBytes.add(entry.length()));
        return index;
    }

    /** A pack of a point's session that no table names has lost its table, unless it is damaged. */
    private void checkCoverage(PackList packs, PointCatalog catalog) {
        Map<SessionId, Manifest> committed = new HashMap<>();
        catalog.points().forEach(manifest -> committed.put(manifest.point(), manifest));
        Set<String> present = new HashSet<>();
        list(ObjectKeys.INDEX).forEach(entry -> present.add(entry.key()));
        for (int pack = 0; pack < packs.size(); pack++) {
            Manifest manifest = committed.get(packs.name(pack).session());
            if (manifest == null || packs.isCovered(pack)) {
                continue;
            }
            for (int table = 0; table < manifest.indexTables(); table++) {
                String key = ObjectKeys.index(manifest.point(), table);
                if (!present.contains(key)) {
                    findings.object(
                            key, key + " is missing; what it said is in the packs, and the next backup puts it again");
                }
            }
        }
    }

    private List<BlobEntry> list(String prefix) {
        List<BlobEntry> entries = new ArrayList<>();
        try (BlobCursor cursor = access.store().list(prefix)) {
            while (cursor.next()) {
                entries.add(cursor.entry());
            }
        }
        return entries;
    }

    private void note(IndexView.Problem problem) {
        note(problem.key(), problem.cause());
    }

    private void note(String key, GenieVmException e) {
        if (!Corruption.isObjectProblem(e)) {
            throw e;
        }
        findings.object(key, String.valueOf(e.getMessage()));
    }
}
