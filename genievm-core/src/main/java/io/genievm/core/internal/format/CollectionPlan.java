package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The documents {@code plan} and {@code verdict} as far as a writer needs them.
 *
 * @param id the collection's id
 * @param packs keys of the packs that the session at hand has to take for absent
 * @param points ids of the points that the collector had seen, or {@code null} for a verdict
 */
public record CollectionPlan(
        String id, List<String> packs, @Nullable List<SessionId> points) {
    /** Reads a plan. */
    public static CollectionPlan decodePlan(String key, RepositoryId repository, byte[] bytes) {
        Fields fields = Document.decode(key, "plan", bytes);
        fields.repository(repository);
        String id = fields.text("plan");
        List<String> condemned = fields.texts("condemned");
        List<SessionId> points = fields.sessionIds("points");
        fields.end();
        return checked(key, new CollectionPlan(id, condemned, points));
    }

    /** Reads a verdict. */
    public static CollectionPlan decodeVerdict(String key, RepositoryId repository, byte[] bytes) {
        Fields fields = Document.decode(key, "verdict", bytes);
        fields.repository(repository);
        CollectionPlan verdict = new CollectionPlan(fields.text("plan"), fields.texts("delete"), null);
        fields.end();
        return checked(key, verdict);
    }

    /** The verdict that cancels a plan. */
    public static byte[] emptyVerdict(RepositoryId repository, String id) {
        ObjectNode node = Document.begin(repository);
        node.put("plan", id);
        node.putArray("delete");
        return Document.encode("verdict", node);
    }

    private static CollectionPlan checked(String key, CollectionPlan plan) {
        ObjectKeys.CollectionKey name = ObjectKeys.parseCollection(key);
        if (name == null || !name.id().equals(plan.id)) {
            throw Corruption.in(key, "it is the collection " + plan.id);
        }
        for (String pack : plan.packs) {
            if (PackName.ofKey(pack) == null) {
                throw Corruption.in(key, "'" + pack + "' is no pack");
            }
        }
        return plan;
    }
}
