package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.JsonNode;
import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.core.Codec;
import io.genievm.core.DiskPlan;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.Trust;
import io.genievm.core.testing.PlainRepository;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** One document of every kind, with every field in use. */
final class Samples {
    static final RepositoryId REPOSITORY = new RepositoryId("000102030405060708090a0b0c0d0e0f");
    static final SessionId POINT = new SessionId("0123456789abcdef0123456789abcdef");
    static final SessionId PARENT = new SessionId("fedcba9876543210fedcba9876543210");
    static final VmId VM = new VmId("w\u00e4b \"1\"");
    static final Instant TIME = Instant.parse("2026-11-21T08:40:00.5Z");
    static final int CHUNK = 4096;
    static final String PLAN_KEY = "gc/" + PARENT + ".plan";
    static final String VERDICT_KEY = "gc/" + PARENT + ".verdict";
    static final String PACK_KEY = PackName.of(POINT, 7).key();

    static final RepositoryParameters PARAMETERS =
            new RepositoryParameters(REPOSITORY, TIME, "genievm test", new RepositoryOptions(CHUNK, 65_536, 1 << 20));

    static final Manifest.Disk DISK = new Manifest.Disk(
            new DiskId("data"),
            5_000_000_000L,
            HexFormat.of().parseHex("a1".repeat(32)),
            DiskPlan.CHANGED,
            "TOKEN_UNKNOWN",
            1,
            2,
            3,
            "token",
            Trust.SAMPLED,
            PARENT,
            true,
            new Manifest.AuditState("00112233445566ff", 64, 3, 2),
            new Manifest.Audit(3L, 4096, List.of(new Extent(0, 4096), new Extent(65_536, 1))));

    static final Manifest.Disk BARE_DISK = new Manifest.Disk(
            new DiskId("root"),
            0,
            null,
            DiskPlan.ALL,
            null,
            0,
            0,
            0,
            null,
            Trust.PROVEN,
            null,
            false,
            null,
            new Manifest.Audit(null, 0, List.of()));

    static final Manifest MANIFEST = new Manifest(
            REPOSITORY,
            POINT,
            VM,
            "The \u201cweb\u201d server",
            5,
            PARENT,
            TIME,
            "genievm test",
            "images",
            "source-1",
            QuiesceMode.FILE_SYSTEM,
            Codec.zstd(-3),
            2,
            1,
            Map.of("domain.xml", "<domain/>\n", "nvram", "AAEC"),
            List.of(DISK, BARE_DISK),
            List.of(new Manifest.OmittedDisk(new DiskId("swap"), 4096, "EXCLUDED")),
            List.of(new Warning("FILE_IGNORED", null, "a"), new Warning("TRACKING_LOST", new DiskId("data"), "b")));

    static final Witness WITNESS = new Witness(REPOSITORY, POINT, VM, 5, 1234, 0x0badcafe);

    static final SessionRecord SESSION = new SessionRecord(REPOSITORY, POINT, VM, TIME, "host", 4711, "genievm test");

    private Samples() {}

    /** A kind of document: a sample's bytes, and how it is read. */
    record Kind(String name, String key, byte[] bytes, Function<byte[], Object> decoder) {
        Object decode(byte[] document) {
            return decoder.apply(document);
        }

        JsonNode json() {
            return PlainRepository.json(bytes);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    static List<Kind> kinds() {
        String point = ObjectKeys.point(VM, POINT);
        String witness = ObjectKeys.witness(VM, POINT);
        String session = ObjectKeys.session(VM, POINT);
        return List.of(
                new Kind(
                        "repository",
                        ObjectKeys.REPOSITORY,
                        PARAMETERS.encode(),
                        bytes -> RepositoryParameters.decode(ObjectKeys.REPOSITORY, bytes)),
                new Kind(
                        "point",
                        point,
                        MANIFEST.encode(CHUNK),
                        bytes -> Manifest.decode(point, REPOSITORY, CHUNK, bytes)),
                new Kind("witness", witness, WITNESS.encode(), bytes -> Witness.decode(witness, REPOSITORY, bytes)),
                new Kind(
                        "session",
                        session,
                        SESSION.encode(),
                        bytes -> SessionRecord.decode(session, REPOSITORY, bytes)),
                new Kind(
                        "plan",
                        PLAN_KEY,
                        document("plan", """
                                {"format": 1, "repository": "%s", "plan": "%s", "condemned": ["%s"], "points": ["%s"]}""".formatted(REPOSITORY, PARENT, PACK_KEY, POINT)),
                        bytes -> CollectionPlan.decodePlan(PLAN_KEY, REPOSITORY, bytes)),
                new Kind(
                        "verdict",
                        VERDICT_KEY,
                        document("verdict", """
                                {"format": 1, "repository": "%s", "plan": "%s", "delete": ["%s"]}""".formatted(REPOSITORY, PARENT, PACK_KEY)),
                        bytes -> CollectionPlan.decodeVerdict(VERDICT_KEY, REPOSITORY, bytes)));
    }

    private static byte[] document(String kind, String json) {
        return PlainRepository.document(kind, json);
    }
}
