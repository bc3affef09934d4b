package io.genievm.example.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.core.BackupReport;
import io.genievm.core.Damage;
import io.genievm.core.DamagedPointException;
import io.genievm.core.DiskPlan;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreReport;
import io.genievm.core.Trust;
import io.genievm.core.VerifyReport;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The documents, field by field: programs count on their names. */
class JsonTest {
    private static final SessionId POINT = new SessionId("0123456789abcdef0123456789abcdef");
    private static final SessionId PARENT = new SessionId("ffffffffffffffffffffffffffffffff");
    private static final VmId WEB = new VmId("web");
    private static final DiskId ROOT = new DiskId("root.raw");
    private static final Duration ELAPSED = Duration.ofMillis(1250);
    private static final Damage DAMAGE = new Damage(
            "packs/01/0123456789abcdef0123456789abcdef-00000000",
            "checksum is wrong",
            List.of(POINT),
            ROOT,
            new Extent(65536, 131072));
    private static final Damage DAMAGE_WITHOUT_DATA =
            new Damage("repository.json", "is missing", List.of(), null, null);

    private static final String DAMAGE_JSON = """
            {"object": "packs/01/0123456789abcdef0123456789abcdef-00000000", "message": "checksum is wrong",
             "points": ["0123456789abcdef0123456789abcdef"], "disk": "root.raw", "offset": 65536, "length": 131072}
            """;
    private static final String DAMAGE_WITHOUT_DATA_JSON = """
            {"object": "repository.json", "message": "is missing", "points": [], "disk": null, "offset": null,
             "length": null}
            """;

    private static final RestorePoint.Disk SUSPECT_DISK =
            new RestorePoint.Disk(ROOT, 1000, DiskPlan.CHANGED, null, Trust.SUSPECT, 0.25, PARENT, true);
    private static final RestorePoint.Disk UNPROVEN_DISK =
            new RestorePoint.Disk(ROOT, 1000, DiskPlan.SCAN, "RESIZED", Trust.SAMPLED, 0, null, true);

    private static final String SUSPECT_DISK_JSON = """
            {"id": "root.raw", "capacity": 1000, "plan": "CHANGED", "reason": null, "trust": "suspect",
             "coveredShare": 0.25, "provenPoint": "ffffffffffffffffffffffffffffffff", "consistent": true}
            """;
    private static final String UNPROVEN_DISK_JSON = """
            {"id": "root.raw", "capacity": 1000, "plan": "SCAN", "reason": "RESIZED", "trust": "sampled",
             "coveredShare": 0.0, "provenPoint": null, "consistent": true}
            """;

    @Test
    void init() {
        assertDocument(Json.created(new RepositoryId(POINT.value())), """
                {"repository": "0123456789abcdef0123456789abcdef"}
                """);
    }

    @Test
    void vms() {
        VmDescription web = new VmDescription(
                WEB,
                "Web \"1\"",
                List.of(new VmDescription.Disk(ROOT, 4L << 40)),
                Map.of(),
                List.of(new DriverFact(DriverFact.FILE_IGNORED, null, "notes.txt was ignored")));

        DriverFact stray = new DriverFact(DriverFact.FILE_IGNORED, null, "stray.raw is ignored");

        assertDocument(Json.vms(List.of(web), List.of(stray)), """
                {"vms": [{"id": "web", "name": "Web \\"1\\"", "disks": [{"id": "root.raw", "capacity": 4398046511104}]}],
                 "warnings": [{"code": "FILE_IGNORED", "vm": null, "disk": null, "message": "stray.raw is ignored"},
                              {"code": "FILE_IGNORED", "vm": "web", "disk": null, "message": "notes.txt was ignored"}]}
                """);
    }

    @Test
    void backup() {
        BackupReport.Disk disk = new BackupReport.Disk(
                ROOT,
                1000,
                DiskPlan.CHANGED,
                null,
                900,
                800,
                700,
                Trust.SAMPLED,
                new BackupReport.Audit(0.015625, 16, 12, List.of(new Extent(0, 8))));

        assertDocument(
                Json.backup(new BackupReport(
                        POINT,
                        WEB,
                        2,
                        PARENT,
                        List.of(disk),
                        12345,
                        List.of(new Warning("SOURCE_CHANGED", ROOT, "it changed")),
                        ELAPSED)),
                """
                {"point": "0123456789abcdef0123456789abcdef", "vm": "web", "sequence": 2,
                 "parent": "ffffffffffffffffffffffffffffffff",
                 "disks": [{"id": "root.raw", "capacity": 1000, "plan": "CHANGED", "reason": null, "readBytes": 900,
                            "changedBytes": 800, "storedBytes": 700, "trust": "sampled",
                            "audit": {"share": 0.015625, "comparedBytes": 16, "readBytes": 12, "mismatches": [{"offset": 0, "length": 8}]}}],
                 "storedBytes": 12345,
                 "warnings": [{"code": "SOURCE_CHANGED", "disk": "root.raw", "message": "it changed"}],
                 "seconds": 1.25}
                """);
    }

    @Test
    void firstBackupHasNoParentAndSaysWhyItReadAll() {
        BackupReport.Disk disk =
                new BackupReport.Disk(ROOT, 0, DiskPlan.ALL, "FIRST", 0, 0, 0, Trust.PROVEN, BackupReport.Audit.NONE);
        JsonNode document =
                Json.backup(new BackupReport(POINT, WEB, 1, null, List.of(disk), 0, List.of(), Duration.ZERO));

        assertThat(document.get("parent").isNull()).isTrue();
        assertThat(document.at("/disks/0/reason").textValue()).isEqualTo("FIRST");
        assertDocument(document.at("/disks/0/audit"), """
                {"share": 0.0, "comparedBytes": 0, "readBytes": 0, "mismatches": []}
                """);
    }

    @Test
    void list() {
        RestorePoint point = new RestorePoint(
                POINT,
                WEB,
                "Web",
                1,
                null,
                Instant.parse("2026-11-21T08:40:00Z"),
                "images",
                List.of(SUSPECT_DISK),
                List.of());

        assertDocument(Json.points(List.of(point), List.of(DAMAGE_WITHOUT_DATA)), """
                {"points": [{"id": "0123456789abcdef0123456789abcdef", "vm": "web", "sequence": 1, "parent": null,
                             "created": "2026-11-21T08:40:00Z",
                             "disks": [%s]}],
                 "unreadable": [%s]}
                """.formatted(
                        SUSPECT_DISK_JSON, DAMAGE_WITHOUT_DATA_JSON));
    }

    @Test
    void restore() {
        assertDocument(
                Json.restore(new RestoreReport(
                        POINT,
                        List.of(SUSPECT_DISK),
                        List.of(Path.of("/srv/größe/root.raw")),
                        null,
                        4096,
                        0,
                        List.of(),
                        ELAPSED)),
                """
                {"point": "0123456789abcdef0123456789abcdef", "disks": [%s], "files": ["/srv/größe/root.raw"],
                 "vm": null, "writtenBytes": 4096, "comparedBytes": 0, "warnings": [], "seconds": 1.25}
                """.formatted(SUSPECT_DISK_JSON));
    }

    @Test
    void verify() {
        RestorePoint point = new RestorePoint(
                POINT,
                WEB,
                "Web",
                7,
                PARENT,
                Instant.parse("2026-11-21T08:40:00Z"),
                "images",
                List.of(UNPROVEN_DISK),
                List.of());

        assertDocument(
                Json.verify(new VerifyReport(
                        999,
                        5L,
                        new VerifyReport.Orphans(1, 2, 3),
                        List.of(point),
                        List.of(DAMAGE, DAMAGE_WITHOUT_DATA),
                        List.of(),
                        ELAPSED)),
                """
                {"ok": false, "checkedBytes": 999, "unneededBytes": 5,
                 "orphans": {"sessions": 1, "packs": 2, "bytes": 3},
                 "points": [{"id": "0123456789abcdef0123456789abcdef", "vm": "web", "sequence": 7,
                             "parent": "ffffffffffffffffffffffffffffffff", "created": "2026-11-21T08:40:00Z",
                             "disks": [%s]}],
                 "damage": [%s, %s], "warnings": [], "seconds": 1.25}
                """.formatted(UNPROVEN_DISK_JSON, DAMAGE_JSON, DAMAGE_WITHOUT_DATA_JSON));
    }

    @Test
    void verifyOfOnePointDoesNotKnowWhatOthersNeed() {
        JsonNode document =
                Json.verify(new VerifyReport(999, null, null, List.of(), List.of(), List.of(), Duration.ZERO));

        assertThat(document.get("unneededBytes").isNull()).isTrue();
        assertThat(document.get("orphans").isNull()).isTrue();
    }

    @Test
    void delete() {
        assertDocument(Json.deleted(POINT), """
                {"deleted": "0123456789abcdef0123456789abcdef"}
                """);
    }

    @Test
    void diff() throws IOException {
        ByteArrayOutputStream stream = new ByteArrayOutputStream();

        Json.diff(
                new SampleDiff(
                        PARENT,
                        POINT,
                        new SampleDiff.Disk("new.raw", null, 5L, new Extent(0, 5)),
                        new SampleDiff.Disk("old.raw", 0L, null),
                        new SampleDiff.Disk(
                                "root.raw", 8L << 40, 4L << 40, new Extent(0, 65536), new Extent(1, 4L << 40))),
                stream,
                () -> {});

        assertThat(stream.toString(StandardCharsets.UTF_8)).endsWith("}\n").containsOnlyOnce("\n");
        assertDocument(new ObjectMapper().readTree(stream.toByteArray()), """
                {"from": "ffffffffffffffffffffffffffffffff", "to": "0123456789abcdef0123456789abcdef",
                 "disks": [{"id": "new.raw", "fromCapacity": null, "toCapacity": 5,
                            "extents": [{"offset": 0, "length": 5}]},
                           {"id": "old.raw", "fromCapacity": 0, "toCapacity": null, "extents": []},
                           {"id": "root.raw", "fromCapacity": 8796093022208, "toCapacity": 4398046511104,
                            "extents": [{"offset": 0, "length": 65536}, {"offset": 1, "length": 4398046511104}]}]}
                """);
    }

    @Test
    void error() {
        assertDocument(
                Json.error(new Failure(ErrorCode.BUSY, "vm 'web'", "another backup of it\nis running", List.of())),
                """
                {"error": {"code": "BUSY", "category": "RESOURCE", "message": "another backup of it\\nis running",
                           "resource": "vm 'web'", "retryable": true}}
                """);
    }

    @Test
    void errorSaysWhatCouldNotBeRestored() {
        assertDocument(
                Json.error(Failure.of(
                        new DamagedPointException(Resource.of(WEB, ROOT), "it is damaged", List.of(DAMAGE)))),
                """
                {"error": {"code": "CORRUPT_DATA", "category": "INTEGRITY", "message": "it is damaged",
                           "resource": "vm 'web', disk 'root.raw'", "retryable": false, "damage": [%s]}}
                """.formatted(DAMAGE_JSON));
    }

    private static void assertDocument(JsonNode actual, String expected) {
        try {
            ObjectMapper mapper = new ObjectMapper();
            // Through text, as there the kinds of numbers are the same.
            assertThat(mapper.readTree(actual.toString())).isEqualTo(mapper.readTree(expected));
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }
}
