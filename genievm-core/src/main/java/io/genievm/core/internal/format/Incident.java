package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.api.VmId;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The document {@code incident}: an audit has found that change tracking had lied.
 *
 * @param repository the repository
 * @param session the session that found it
 * @param vm the VM
 * @param disk the disk
 * @param found when, for people
 * @param provenPoint the point that the disk was last proven in before
 * @param points the points since, whose data of the disk is suspect
 * @param extents the ranges that were wrong
 */
public record Incident(
        RepositoryId repository,
        SessionId session,
        VmId vm,
        DiskId disk,
        Instant found,
        @Nullable SessionId provenPoint,
        List<SessionId> points,
        List<Extent> extents) {
    private static final String KIND = "incident";
    private static final String TRACKING_LIE = "TRACKING_LIE";

    /** The document's bytes. */
    public byte[] encode() {
        ObjectNode node = Document.begin(repository);
        node.put("type", TRACKING_LIE);
        node.put("session", session.value());
        node.put("vm", vm.value());
        node.put("disk", disk.value());
        node.put("found", found.toString());
        node.put("provenPoint", provenPoint == null ? null : provenPoint.value());
        ArrayNode pointNodes = node.putArray("points");
        points.forEach(point -> pointNodes.add(point.value()));
        Manifest.encode(extents, node.putArray("extents"));
        return Document.encode(KIND, node);
    }

    /** Reads the document, whose key says which VM it is about. */
    public static Incident decode(String key, RepositoryId repository, byte[] bytes) {
        Fields fields = Document.decode(key, KIND, bytes);
        fields.repository(repository);
        String type = fields.text("type");
        if (!type.equals(TRACKING_LIE)) {
            throw new UnsupportedFormatVersionException(
                    Resource.named(key), key + " is an incident of type '" + type + "', which is not known here", null);
        }
        Incident incident = new Incident(
                repository,
                fields.sessionId("session"),
                fields.parsed("vm", "a VM id", VmId::new),
                fields.parsed("disk", "a disk id", DiskId::new),
                fields.time("found"),
                fields.sessionIdOrNull("provenPoint"),
                fields.sessionIds("points"),
                fields.objects("extents", Manifest::extent));
        fields.end();
        if (!key.startsWith(ObjectKeys.incidents(incident.vm))) {
            throw Corruption.in(key, "it is about VM '" + incident.vm + "'");
        }
        return incident;
    }

    /** Whether it makes the data of a disk suspect: also of points that were being made when it was found. */
    public boolean makesSuspect(Manifest manifest, Manifest.Disk of) {
        return of.isTakenOver() && makesSuspectWhatIsTakenFrom(manifest, of);
    }

    /**
     * Whether it makes suspect whatever later points take over from a disk. A proven disk is right itself; but what rests
     * on the same proof as the lie does, and on none that is newer, can not be told from what the lie has spoilt.
     */
    public boolean makesSuspectWhatIsTakenFrom(Manifest manifest, Manifest.Disk of) {
        return manifest.vm().equals(vm)
                && of.id().equals(disk)
                && (points.contains(manifest.point()) || provenPoint != null && provenPoint.equals(of.provenPoint()));
    }
}
