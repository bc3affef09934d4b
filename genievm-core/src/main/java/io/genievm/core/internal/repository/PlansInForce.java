package io.genievm.core.internal.repository;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.core.internal.format.CollectionPlan;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The collection plans that a session has to obey: it reads them after it has announced itself, and takes the packs that
 * they condemn for absent.
 *
 * @param condemned keys of packs
 * @param undecided the points that each plan without a verdict names
 */
record PlansInForce(List<String> condemned, List<Set<SessionId>> undecided) {
    /** Whether no collector can decide against what a point needs without knowing of it. */
    boolean allKnow(SessionId point) {
        return undecided.stream().allMatch(points -> points.contains(point));
    }

    static PlansInForce read(RepositoryAccess access) {
        Set<String> plans = new TreeSet<>();
        try (BlobCursor cursor = access.store().list(ObjectKeys.COLLECTIONS)) {
            while (cursor.next()) {
                ObjectKeys.CollectionKey key =
                        ObjectKeys.parseCollection(cursor.entry().key());
                if (key != null && !key.verdict()) {
                    plans.add(key.id());
                }
            }
        }
        List<String> condemned = new ArrayList<>();
        List<Set<SessionId>> undecided = new ArrayList<>();
        for (String id : plans) {
            CollectionPlan plan = inForce(access, id);
            if (plan != null) {
                condemned.addAll(plan.packs());
                if (plan.points() != null) {
                    undecided.add(Set.copyOf(plan.points()));
                }
            }
        }
        return new PlansInForce(List.copyOf(condemned), List.copyOf(undecided));
    }

    /** The verdict, or the plan while there is none; {@code null} when it has vanished. */
    private static @Nullable CollectionPlan inForce(RepositoryAccess access, String id) {
        String planKey = ObjectKeys.COLLECTIONS + id + ".plan";
        String verdictKey = ObjectKeys.COLLECTIONS + id + ".verdict";
        byte[] verdict = getOrNull(access.store(), verdictKey);
        if (verdict != null) {
            try {
                return CollectionPlan.decodeVerdict(verdictKey, access.id(), verdict);
            } catch (CorruptDataException e) {
                // What the plan condemns includes what any verdict on it can delete.
            }
        }
        byte[] plan = getOrNull(access.store(), planKey);
        if (plan == null) {
            return null;
        }
        try {
            return CollectionPlan.decodePlan(planKey, access.id(), plan);
        } catch (CorruptDataException e) {
            if (verdict != null) {
                throw e;
            }
            // Nobody can know what it condemns; the one safe thing is that it condemns nothing.
            access.store().put(verdictKey, BlobContent.of(CollectionPlan.emptyVerdict(access.id(), id)));
            return inForce(access, id);
        }
    }

    private static byte @Nullable [] getOrNull(BlobStore store, String key) {
        try {
            return store.getAll(key, Manifest.MAX_BYTES);
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return null;
            }
            throw e;
        }
    }
}
