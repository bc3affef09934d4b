package io.genievm.core.internal.repository;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.core.Damage;
import io.genievm.core.RestorePoint;
import io.genievm.core.Trust;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.Incident;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.Witness;
import io.genievm.core.internal.task.ProgressMeter;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The points of a repository, or of one VM, as they were when this was read: oldest first by VM, then sequence, then id.
 *
 * @param points the manifests that can be read
 * @param lost the points whose manifest is damaged, too new or missing
 * @param incidents what was found out about points
 * @param unreadableIncidents incidents that are damaged or too new
 */
public record PointCatalog(
        List<Manifest> points,
        List<LostPoint> lost,
        List<Incident> incidents,
        List<UnreadableIncident> unreadableIncidents) {
    private static final Comparator<Manifest> ORDER = Comparator.comparing(
                    (Manifest manifest) -> manifest.vm().value())
            .thenComparingLong(Manifest::sequence)
            .thenComparing(manifest -> manifest.point().value());

    /**
     * A point that is not to be had.
     *
     * @param key of its manifest
     * @param session its id
     * @param cause why its manifest can not be read
     * @param sequence what its witness says, or {@link Long#MAX_VALUE} where that is not known
     */
    public record LostPoint(String key, SessionId session, GenieVmException cause, long sequence) {
        /** What is wrong. */
        public String message() {
            return String.valueOf(cause.getMessage());
        }

        /** Whether it is only this software that can not read it. */
        public boolean isTooNew() {
            return cause instanceof UnsupportedFormatVersionException;
        }

        /** What it is to a user. */
        public Damage toDamage() {
            return new Damage(key, message(), List.of(session), null, null);
        }
    }

    /**
     * An incident that is not to be had: points that it makes suspect do not look it.
     *
     * @param key of the object
     * @param cause why it can not be read
     */
    public record UnreadableIncident(String key, GenieVmException cause) {
        /** Whether it is only this software that can not read it. */
        public boolean isTooNew() {
            return cause instanceof UnsupportedFormatVersionException;
        }

        /** What it is to a user. */
        public Damage toDamage() {
            return new Damage(key, String.valueOf(cause.getMessage()), List.of(), null, null);
        }

        /** What it is to somebody who uses points. */
        public Warning toWarning() {
            return new Warning("INCIDENT_UNREADABLE", null, String.valueOf(cause.getMessage()));
        }
    }

    /** Reads all points. */
    public static PointCatalog read(RepositoryAccess access) {
        return readBelow(access, "");
    }

    /** Reads the points of a VM. */
    public static PointCatalog read(RepositoryAccess access, VmId vm) {
        return readBelow(access, ObjectKeys.vmKey(vm) + "/");
    }

    /** How far a disk of a point is proven, by all that is known. */
    public Trust trust(Manifest manifest, Manifest.Disk disk) {
        return !disk.consistent() || isLiedTo(manifest, disk) ? Trust.SUSPECT : disk.trust();
    }

    private boolean isLiedTo(Manifest manifest, Manifest.Disk disk) {
        return incidents.stream().anyMatch(incident -> incident.makesSuspect(manifest, disk));
    }

    /** Whether a point that takes ranges over from a disk would be suspect from the beginning. */
    public boolean isTakingOverSuspect(Manifest manifest, Manifest.Disk disk) {
        return incidents.stream().anyMatch(incident -> incident.makesSuspectWhatIsTakenFrom(manifest, disk));
    }

    /** What a user sees of a point. */
    public RestorePoint toRestorePoint(Manifest manifest) {
        return new RestorePoint(
                manifest.point(),
                manifest.vm(),
                manifest.name(),
                manifest.sequence(),
                manifest.parent(),
                manifest.created(),
                manifest.provider(),
                manifest.disks().stream()
                        .map(disk -> toRestorePoint(manifest, disk))
                        .toList(),
                manifest.warnings());
    }

    private RestorePoint.Disk toRestorePoint(Manifest manifest, Manifest.Disk disk) {
        return new RestorePoint.Disk(
                disk.id(),
                disk.capacity(),
                disk.plan(),
                disk.reason(),
                trust(manifest, disk),
                disk.coveredShare(),
                disk.provenPoint(),
                disk.consistent());
    }

    /** Tells which disks of a point are suspect. */
    public void warnOfSuspects(Manifest manifest, Collection<Manifest.Disk> disks, ProgressMeter meter) {
        for (Manifest.Disk disk : disks) {
            String name = "disk '" + disk.id() + "' of point " + manifest.point() + " of VM '" + manifest.vm() + "' ";
            if (!disk.consistent()) {
                meter.warn(new Warning(
                        "INCONSISTENT",
                        disk.id(),
                        name + "changed while it was read: it is of no single moment, and what could not be read is"
                                + " zero"));
            }
            if (isLiedTo(manifest, disk)) {
                meter.warn(new Warning(
                        "SUSPECT",
                        disk.id(),
                        name + "is suspect: the hypervisor's change tracking has lied since the disk was proven last,"
                                + " so ranges of it may be older than the point"));
            }
        }
    }

    /** The readable point of highest sequence; only for a catalog of one VM that has points. */
    public Manifest latest() {
        return points.get(points.size() - 1);
    }

    /** The sequence of the next point; only for a catalog of one VM. */
    public long nextSequence() {
        long highest = points.isEmpty() ? 0 : latest().sequence();
        for (LostPoint point : lost) {
            if (point.sequence != Long.MAX_VALUE) {
                highest = Math.max(highest, point.sequence);
            }
        }
        return highest + 1;
    }

    /** Finds a readable point. */
    public Manifest point(SessionId id) {
        for (Manifest manifest : points) {
            if (manifest.point().equals(id)) {
                return manifest;
            }
        }
        throw missing(id);
    }

    private GenieVmException missing(SessionId id) {
        for (LostPoint point : lost) {
            if (point.session.equals(id)) {
                return point.cause;
            }
        }
        return new GenieVmException(ErrorCode.NOT_FOUND, "there is no restore point " + id);
    }

    private static PointCatalog readBelow(RepositoryAccess access, String below) {
        BlobStore store = access.store();
        // In this order: a point that is deleted meanwhile loses its witness first and its manifest then.
        Map<String, BlobEntry> witnesses = list(store, ObjectKeys.WITNESS + below);
        Map<String, BlobEntry> manifests = list(store, ObjectKeys.POINTS + below);
        if (witnesses.isEmpty() && manifests.values().stream().allMatch(entry -> entry.length() == 0)) {
            // A store that fails by saying nothing would make us believe that there are no points; once more costs
            // little.
            witnesses = list(store, ObjectKeys.WITNESS + below);
            manifests = list(store, ObjectKeys.POINTS + below);
        }
        List<Manifest> points = new ArrayList<>();
        List<LostPoint> lost = new ArrayList<>();
        Set<String> seen = new HashSet<>();
        for (BlobEntry entry : manifests.values()) {
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(entry.key());
            if (key == null || entry.length() == 0) {
                continue;
            }
            seen.add(key.witness());
            try {
                points.add(Manifest.decode(
                        entry.key(),
                        access.id(),
                        access.options().chunkSize(),
                        store.getAll(entry.key(), Manifest.MAX_BYTES)));
            } catch (GenieVmException e) {
                if (!Corruption.isObjectProblem(e)) {
                    throw e;
                }
                if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                    lost.add(lost(access, key, e, witnesses));
                }
            }
        }
        for (String witness : witnesses.keySet()) {
            ObjectKeys.PointKey key = ObjectKeys.parsePoint(witness);
            if (key != null && !seen.contains(witness) && isLost(store, key)) {
                lost.add(lost(
                        access,
                        key,
                        new CorruptDataException(
                                Resource.named(key.point()),
                                key.point() + " is missing or empty, and " + witness + " says it was there",
                                null),
                        witnesses));
            }
        }
        points.sort(ORDER);
        List<Incident> incidents = new ArrayList<>();
        List<UnreadableIncident> unreadable = new ArrayList<>();
        // After the points: an incident is put before the manifest of the session that found it.
        readIncidents(access, ObjectKeys.INCIDENTS + below, incidents, unreadable);
        return new PointCatalog(
                List.copyOf(points), List.copyOf(lost), List.copyOf(incidents), List.copyOf(unreadable));
    }

    private static void readIncidents(
            RepositoryAccess access, String prefix, List<Incident> incidents, List<UnreadableIncident> unreadable) {
        for (String key : list(access.store(), prefix).keySet()) {
            if (!ObjectKeys.isIncident(key)) {
                continue;
            }
            try {
                incidents.add(Incident.decode(key, access.id(), access.store().getAll(key, Manifest.MAX_BYTES)));
            } catch (GenieVmException e) {
                if (!Corruption.isObjectProblem(e)) {
                    throw e;
                }
                // Not found: collected since the list was made.
                if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                    unreadable.add(new UnreadableIncident(key, e));
                }
            }
        }
    }

    /** Whether the manifest of a witness is not there. It was not in the listing, and a deletion takes the witness first. */
    private static boolean isLost(BlobStore store, ObjectKeys.PointKey key) {
        if (store.stat(key.point()).map(BlobEntry::length).orElse(0L) > 0) {
            // It was put before its witness, which was listed before, and no name recurs: it was there all the time.
            throw new GenieVmException(
                    ErrorCode.STORE_CONTRACT_BROKEN,
                    Resource.named(key.point()),
                    "the store left " + key.point() + ", which is there, out of a listing");
        }
        return store.stat(key.witness()).isPresent();
    }

    private static LostPoint lost(
            RepositoryAccess access,
            ObjectKeys.PointKey key,
            GenieVmException cause,
            Map<String, BlobEntry> witnesses) {
        long sequence = Long.MAX_VALUE;
        if (witnesses.containsKey(key.witness())) {
            try {
                byte[] bytes = access.store().getAll(key.witness(), Manifest.MAX_BYTES);
                sequence = Witness.decode(key.witness(), access.id(), bytes).sequence();
            } catch (GenieVmException e) {
                if (!Corruption.isObjectProblem(e)) {
                    throw e;
                }
            }
        }
        return new LostPoint(key.point(), key.session(), cause, sequence);
    }

    private static Map<String, BlobEntry> list(BlobStore store, String prefix) {
        Map<String, BlobEntry> entries = new TreeMap<>();
        try (BlobCursor cursor = store.list(prefix)) {
            while (cursor.next()) {
                entries.put(cursor.entry().key(), cursor.entry());
            }
        }
        return entries;
    }
}
