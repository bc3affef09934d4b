package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.Codec;
import io.genievm.core.DiskPlan;
import io.genievm.core.Trust;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The document {@code point}.
 *
 * @param repository the repository
 * @param point the point's id
 * @param vm its VM
 * @param name the VM's name for people
 * @param sequence its place among the points of the VM
 * @param parent the point that it was compared with
 * @param created when the snapshot was taken
 * @param generator what wrote it
 * @param provider the driver
 * @param source what the driver was connected to
 * @param quiesced how far the guest was brought to rest
 * @param codec how its session compressed
 * @param packs how many packs its session wrote
 * @param indexTables how many index tables its session wrote
 * @param hardware the driver's documents
 * @param disks the disks, ascending by id
 * @param omittedDisks disks of the VM that are not in the point
 * @param warnings what was noticed
 */
public record Manifest(
        RepositoryId repository,
        SessionId point,
        VmId vm,
        String name,
        long sequence,
        @Nullable SessionId parent,
        Instant created,
        String generator,
        String provider,
        String source,
        QuiesceMode quiesced,
        Codec codec,
        int packs,
        int indexTables,
        Map<String, String> hardware,
        List<Disk> disks,
        List<OmittedDisk> omittedDisks,
        List<Warning> warnings) {
    /** The most bytes of a document but for collection's. */
    public static final int MAX_BYTES = 16 << 20;

    private static final String KIND = "point";

    /**
     * One disk.
     *
     * @param id the disk
     * @param capacity its size in bytes
     * @param root the id of the map's root page, or {@code null} where everything is zero
     * @param plan what was read
     * @param reason why not {@link DiskPlan#CHANGED}
     * @param readBytes bytes read
     * @param changedBytes bytes that differ from the parent
     * @param storedBytes bytes added
     * @param token the driver's token
     * @param trust how far it is proven
     * @param provenPoint the newest point in which it was
     * @param consistent whether all of it is of one moment
     * @param auditState how far later audits have come
     * @param audit what was audited
     */
    public record Disk(
            DiskId id,
            long capacity,
            byte @Nullable [] root,
            DiskPlan plan,
            @Nullable String reason,
            long readBytes,
            long changedBytes,
            long storedBytes,
            @Nullable String token,
            Trust trust,
            @Nullable SessionId provenPoint,
            boolean consistent,
            @Nullable AuditState auditState,
            @Nullable Audit audit) {
        /** Whether ranges were taken over from the parent without being read. */
        public boolean isTakenOver() {
            return trust != Trust.PROVEN;
        }

        /** Which part was compared since the disk was proven, from 0 to 1. */
        public double coveredShare() {
            return !isTakenOver() ? 1 : auditState == null ? 0 : (double) auditState.covered / auditState.stripes;
        }

        /** How many chunks the disk has. */
        public long chunks(int chunkSize) {
            return (capacity + chunkSize - 1) / chunkSize;
        }
    }

    /**
     * How the audits of a disk divide it, handed on from point to point.
     *
     * @param seed 16 hexadecimal digits
     * @param stripes into how many stripes the disk is divided
     * @param next which one is compared next
     * @param covered how many were compared since the disk was proven
     */
    public record AuditState(String seed, int stripes, int next, int covered) {}

    /**
     * What was audited of a disk for this point.
     *
     * @param stripe which stripe was compared, or {@code null} for all
     * @param comparedBytes bytes compared
     * @param mismatches ranges that differed, at most 1 000
     */
    public record Audit(@Nullable Long stripe, long comparedBytes, List<Extent> mismatches) {}

    /**
     * A disk of the VM that is not in the point.
     *
     * @param id its id
     * @param capacity its size in bytes
     * @param reason a word in upper case
     */
    public record OmittedDisk(DiskId id, long capacity, String reason) {}

    /** The document's bytes. */
    public byte[] encode(int chunkSize) {
        ObjectNode node = Document.begin(repository);
        node.put("point", point.value());
        node.put("vm", vm.value());
        node.put("name", name);
        node.put("sequence", sequence);
        node.put("parent", parent == null ? null : parent.value());
        node.put("created", created.toString());
        node.put("generator", generator);
        node.put("provider", provider);
        node.put("source", source);
        node.put("quiesced", quiesced.name());
        node.put("codec", codec.toString());
        node.put("packs", packs);
        node.put("indexTables", indexTables);
        ObjectNode documents = node.putObject("hardware");
        hardware.forEach(documents::put);
        ArrayNode diskNodes = node.putArray("disks");
        disks.forEach(disk -> encode(disk, chunkSize, diskNodes.addObject()));
        ArrayNode omittedNodes = node.putArray("omittedDisks");
        for (OmittedDisk disk : omittedDisks) {
            omittedNodes
                    .addObject()
                    .put("id", disk.id.value())
                    .put("capacity", disk.capacity)
                    .put("reason", disk.reason);
        }
        ArrayNode warningNodes = node.putArray("warnings");
        for (Warning warning : warnings) {
            DiskId disk = warning.disk();
            warningNodes
                    .addObject()
                    .put("code", warning.code())
                    .put("disk", disk == null ? null : disk.value())
                    .put("message", warning.message());
        }
        return Document.encode(KIND, node);
    }

    /** Reads the document, whose key says what it should be. */
    public static Manifest decode(String key, RepositoryId repository, int chunkSize, byte[] bytes) {
        Fields fields = Document.decode(key, KIND, bytes);
        fields.repository(repository);
        Manifest manifest = new Manifest(
                repository,
                fields.sessionId("point"),
                fields.parsed("vm", "a VM id", VmId::new),
                fields.text("name"),
                fields.number("sequence"),
                fields.sessionIdOrNull("parent"),
                fields.time("created"),
                fields.text("generator"),
                fields.text("provider"),
                fields.text("source"),
                fields.parsed("quiesced", "a mode", QuiesceMode::valueOf),
                codec(fields, key),
                fields.smallNumber("packs"),
                fields.smallNumber("indexTables"),
                fields.textMap("hardware"),
                fields.objects("disks", disk -> disk(disk, chunkSize)),
                fields.objects("omittedDisks", Manifest::omittedDisk),
                fields.objects("warnings", Manifest::warning));
        fields.end();
        if (!ObjectKeys.point(manifest.vm, manifest.point).equals(key)) {
            throw Corruption.in(key, "it is point " + manifest.point + " of VM '" + manifest.vm + "'");
        }
        if (manifest.sequence < 1) {
            throw fields.bad("sequence", "1 or more");
        }
        for (int i = 1; i < manifest.disks.size(); i++) {
            if (manifest.disks.get(i - 1).id.compareTo(manifest.disks.get(i).id) >= 0) {
                throw fields.bad("disks", "in ascending order");
            }
        }
        return manifest;
    }

    private static void encode(Disk disk, int chunkSize, ObjectNode node) {
        node.put("id", disk.id.value());
        node.put("capacity", disk.capacity);
        byte[] root = disk.root;
        node.putObject("map")
                .put("height", MapPage.height(disk.chunks(chunkSize)))
                .put("root", root == null ? null : HexFormat.of().formatHex(root));
        node.put("plan", disk.plan.name());
        node.put("reason", disk.reason);
        node.put("readBytes", disk.readBytes);
        node.put("changedBytes", disk.changedBytes);
        node.put("storedBytes", disk.storedBytes);
        node.put("token", disk.token);
        node.put("trust", disk.trust == Trust.PROVEN ? "proven" : "sampled");
        node.put("provenPoint", disk.provenPoint == null ? null : disk.provenPoint.value());
        node.put("consistent", disk.consistent);
        AuditState state = disk.auditState;
        if (state == null) {
            node.putNull("auditState");
        } else {
            node.putObject("auditState")
                    .put("seed", state.seed)
                    .put("stripes", state.stripes)
                    .put("next", state.next)
                    .put("covered", state.covered);
        }
        Audit audit = disk.audit;
        if (audit == null) {
            node.putNull("audit");
        } else {
            ObjectNode auditNode =
                    node.putObject("audit").put("stripe", audit.stripe).put("comparedBytes", audit.comparedBytes);
            encode(audit.mismatches, auditNode.putArray("mismatches"));
        }
    }

    static void encode(List<Extent> extents, ArrayNode node) {
        for (Extent extent : extents) {
            node.addObject().put("offset", extent.offset()).put("length", extent.length());
        }
    }

    private static Disk disk(Fields fields, int chunkSize) {
        long capacity = fields.number("capacity");
        Fields map = fields.object("map");
        byte[] root = map.isNull("root") ? null : HexFormat.of().parseHex(map.hex("root", 2 * IdHasher.ID_BYTES));
        if (root != null && IdHasher.isNull(root, 0)) {
            throw map.bad("root", "null where all chunks are");
        }
        Disk disk = new Disk(
                fields.parsed("id", "a disk id", DiskId::new),
                capacity,
                root,
                fields.parsed("plan", "a plan", DiskPlan::valueOf),
                fields.textOrNull("reason"),
                fields.number("readBytes"),
                fields.number("changedBytes"),
                fields.number("storedBytes"),
                fields.textOrNull("token"),
                fields.parsed("trust", "'proven' or 'sampled'", Manifest::trust),
                fields.sessionIdOrNull("provenPoint"),
                fields.flag("consistent"),
                fields.isNull("auditState") ? null : auditState(fields.object("auditState")),
                fields.isNull("audit") ? null : audit(fields.object("audit")));
        if (capacity > Long.MAX_VALUE - chunkSize || map.number("height") != MapPage.height(disk.chunks(chunkSize))) {
            throw map.bad("height", "what the capacity asks for");
        }
        map.end();
        return disk;
    }

    private static AuditState auditState(Fields fields) {
        AuditState state = new AuditState(
                fields.hex("seed", 16),
                fields.smallNumber("stripes"),
                fields.smallNumber("next"),
                fields.smallNumber("covered"));
        fields.end();
        return state;
    }

    private static Audit audit(Fields fields) {
        Audit audit = new Audit(
                fields.isNull("stripe") ? null : fields.number("stripe"),
                fields.number("comparedBytes"),
                fields.objects("mismatches", Manifest::extent));
        fields.end();
        return audit;
    }

    private static OmittedDisk omittedDisk(Fields fields) {
        return new OmittedDisk(
                fields.parsed("id", "a disk id", DiskId::new), fields.number("capacity"), fields.text("reason"));
    }

    private static Warning warning(Fields fields) {
        return new Warning(
                fields.text("code"),
                fields.isNull("disk") ? null : fields.parsed("disk", "a disk id", DiskId::new),
                fields.text("message"));
    }

    static Extent extent(Fields fields) {
        try {
            return new Extent(fields.number("offset"), fields.number("length"));
        } catch (IllegalArgumentException e) {
            throw fields.bad("length", "1 or more");
        }
    }

    private static Codec codec(Fields fields, String key) {
        try {
            return Codec.parse(fields.text("codec"));
        } catch (GenieVmException e) {
            throw Corruption.in(key, e.getMessage(), e);
        }
    }

    private static Trust trust(String text) {
        return switch (text) {
            case "proven" -> Trust.PROVEN;
            case "sampled" -> Trust.SAMPLED;
            default -> throw new IllegalArgumentException(text);
        };
    }
}
