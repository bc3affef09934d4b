package io.genievm.core.internal.backup;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.repository.PointCatalog;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The point that a backup goes on from, if there is one: the readable point of the VM with the highest sequence.
 *
 * @param catalog the VM's points
 * @param manifest the parent's
 * @param isSameSource whether the parent was made by the same driver, connected to the same place: tokens count only then
 */
record Parent(PointCatalog catalog, @Nullable Manifest manifest, boolean isSameSource) {
    static Parent in(PointCatalog catalog, HypervisorConnection connection) {
        if (catalog.points().isEmpty()) {
            return new Parent(catalog, null, false);
        }
        Manifest latest = catalog.latest();
        boolean same = latest.provider().equals(connection.providerName())
                && latest.source().equals(connection.sourceId());
        return new Parent(catalog, latest, same);
    }

    /** Its id; only where there is one. */
    SessionId id() {
        if (manifest == null) {
            throw new IllegalStateException("there is no parent");
        }
        return manifest.point();
    }

    @Nullable
    SessionId idOrNull() {
        return manifest == null ? null : manifest.point();
    }

    /** The tokens that the driver is asked for changes since. */
    Map<DiskId, ChangeToken> tokens() {
        Map<DiskId, ChangeToken> tokens = new HashMap<>();
        if (manifest != null && isSameSource) {
            for (Manifest.Disk disk : manifest.disks()) {
                String token = disk.token();
                if (token != null) {
                    tokens.put(disk.id(), new ChangeToken(token));
                }
            }
        }
        return tokens;
    }

    /** Whether what is taken over from a disk of it would be suspect, by all that is known. */
    boolean isTakingOverSuspect(Manifest.Disk disk) {
        // An incident that can not be read may be about just this.
        return manifest != null
                && (catalog.isTakingOverSuspect(manifest, disk)
                        || disk.isTakenOver() && !catalog.unreadableIncidents().isEmpty());
    }

    /** The points whose data of a disk hangs on the same proof as the parent's, and on nothing newer. */
    List<SessionId> unprovenSince(Manifest.Disk disk) {
        SessionId proof = disk.provenPoint();
        return catalog.points().stream()
                .filter(point -> point.disks().stream()
                        .anyMatch(each -> each.id().equals(disk.id())
                                && each.isTakenOver()
                                && proof != null
                                && proof.equals(each.provenPoint())))
                .map(Manifest::point)
                .toList();
    }
}
