package io.genievm.example.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.Extent;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.Warning;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.core.BackupReport;
import io.genievm.core.Damage;
import io.genievm.core.PointDiff;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreReport;
import io.genievm.core.VerifyReport;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The documents of {@code --json}. Numbers are bytes. Fields are added, never renamed or removed. */
final class Json {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private Json() {}

    /** Loads what writing a document needs. */
    static void prepare() {
        Answer.of(object(), "")
                .print(true, new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));
    }

    static JsonNode help(String text) {
        return object().put("help", text);
    }

    static JsonNode error(Failure failure) {
        ObjectNode error = object().put("code", failure.code().name())
                .put("category", failure.code().category().name())
                .put("message", failure.message())
                .put("resource", failure.resource())
                .put("retryable", failure.code().retryable());
        if (!failure.damage().isEmpty()) {
            error.set("damage", array(failure.damage(), Json::damage));
        }
        return object().set("error", error);
    }

    static JsonNode created(RepositoryId repository) {
        return object().put("repository", repository.value());
    }

    static JsonNode vms(List<VmDescription> vms, List<DriverFact> aboutNone) {
        ArrayNode warnings = NODES.arrayNode();
        aboutNone.forEach(fact -> warnings.add(fact(fact).putNull("vm")));
        vms.forEach(vm -> vm.facts()
                .forEach(fact -> warnings.add(fact(fact).put("vm", vm.id().value()))));
        ObjectNode document = object();
        document.set("vms", array(vms, Json::vm));
        return document.set("warnings", warnings);
    }

    private static ObjectNode fact(DriverFact fact) {
        return object().put("code", fact.code()).put("disk", text(fact.disk())).put("message", fact.message());
    }

    static JsonNode backup(BackupReport report) {
        ObjectNode document = object().put("point", report.point().value())
                .put("vm", report.vm().value())
                .put("sequence", report.sequence())
                .put("parent", text(report.parent()));
        document.set("disks", array(report.disks(), Json::backedUp));
        document.put("storedBytes", report.storedBytes());
        document.set("warnings", array(report.warnings(), Json::warning));
        return document.put("seconds", seconds(report.elapsed()));
    }

    static JsonNode points(List<RestorePoint> points, List<Damage> unreadable) {
        ObjectNode document = object();
        document.set("points", array(points, Json::point));
        return document.set("unreadable", array(unreadable, Json::damage));
    }

    static JsonNode restore(RestoreReport report) {
        ObjectNode document = object().put("point", report.point().value());
        document.set("disks", array(report.disks(), Json::disk));
        document.set("files", array(report.files(), file -> NODES.textNode(file.toString())));
        document.put("vm", text(report.vm()))
                .put("writtenBytes", report.writtenBytes())
                .put("comparedBytes", report.comparedBytes());
        document.set("warnings", array(report.warnings(), Json::warning));
        return document.put("seconds", seconds(report.elapsed()));
    }

    static JsonNode verify(VerifyReport report) {
        ObjectNode document = object().put("ok", report.isOk())
                .put("checkedBytes", report.checkedBytes())
                .put("unneededBytes", report.unneededBytes());
        VerifyReport.Orphans orphans = report.orphans();
        document.set(
                "orphans",
                orphans == null
                        ? null
                        : object().put("sessions", orphans.sessions())
                                .put("packs", orphans.packs())
                                .put("bytes", orphans.bytes()));
        document.set("points", array(report.points(), Json::point));
        document.set("damage", array(report.damage(), Json::damage));
        document.set("warnings", array(report.warnings(), Json::warning));
        return document.put("seconds", seconds(report.elapsed()));
    }

    static JsonNode deleted(SessionId point) {
        return object().put("deleted", point.value());
    }

    /**
     * Writes the document, which may be too large to be held, as the cursors move. Flushes the stream and leaves it open.
     *
     * @param check is called before each range, to throw when it is not wanted any more
     */
    static void diff(PointDiff diff, OutputStream stream, Runnable check) throws IOException {
        try (JsonGenerator document =
                new JsonFactory().createGenerator(stream).disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET)) {
            document.writeStartObject();
            document.writeStringField("from", diff.from().value());
            document.writeStringField("to", diff.to().value());
            document.writeArrayFieldStart("disks");
            for (PointDiff.Disk disk : diff.disks()) {
                document.writeStartObject();
                document.writeStringField("id", disk.id().value());
                document.writeObjectField("fromCapacity", disk.fromCapacity());
                document.writeObjectField("toCapacity", disk.toCapacity());
                document.writeArrayFieldStart("extents");
                try (ExtentCursor extents = disk.extents()) {
                    while (extents.next()) {
                        check.run();
                        document.writeStartObject();
                        document.writeNumberField("offset", extents.offset());
                        document.writeNumberField("length", extents.length());
                        document.writeEndObject();
                    }
                }
                document.writeEndArray();
                document.writeEndObject();
            }
            document.writeEndArray();
            document.writeEndObject();
            document.writeRaw('\n');
        }
    }

    static JsonNode demo(List<Demo.Step> steps, @Nullable String directory) {
        ObjectNode document = object();
        document.set(
                "steps",
                array(
                        steps,
                        step -> object().put("step", step.name())
                                .put("readBytes", step.figures().readBytes())
                                .put("storedBytes", step.figures().storedBytes())
                                .put("seconds", seconds(step.elapsed()))
                                .put("result", step.figures().result())));
        return document.put("directory", directory);
    }

    private static ObjectNode vm(VmDescription vm) {
        ObjectNode node = object().put("id", vm.id().value()).put("name", vm.name());
        return node.set(
                "disks",
                array(vm.disks(), disk -> object().put("id", disk.id().value()).put("capacity", disk.capacity())));
    }

    private static ObjectNode point(RestorePoint point) {
        ObjectNode node = object().put("id", point.id().value())
                .put("vm", point.vm().value())
                .put("sequence", point.sequence())
                .put("parent", text(point.parent()))
                .put("created", point.created().toString());
        return node.set("disks", array(point.disks(), Json::disk));
    }

    private static ObjectNode disk(RestorePoint.Disk disk) {
        return object().put("id", disk.id().value())
                .put("capacity", disk.capacity())
                .put("plan", disk.plan().name())
                .put("reason", disk.reason())
                .put("trust", Text.word(disk.trust()))
                .put("coveredShare", disk.coveredShare())
                .put("provenPoint", text(disk.provenPoint()))
                .put("consistent", disk.consistent());
    }

    private static ObjectNode backedUp(BackupReport.Disk disk) {
        ObjectNode node = object().put("id", disk.id().value())
                .put("capacity", disk.capacity())
                .put("plan", disk.plan().name())
                .put("reason", disk.reason())
                .put("readBytes", disk.readBytes())
                .put("changedBytes", disk.changedBytes())
                .put("storedBytes", disk.storedBytes())
                .put("trust", Text.word(disk.trust()));
        ObjectNode audit = object().put("share", disk.audit().share())
                .put("comparedBytes", disk.audit().comparedBytes())
                .put("readBytes", disk.audit().readBytes());
        audit.set("mismatches", array(disk.audit().mismatches(), Json::extent));
        return node.set("audit", audit);
    }

    private static ObjectNode damage(Damage damage) {
        ObjectNode node = object().put("object", damage.object()).put("message", damage.message());
        node.set("points", array(damage.points(), point -> NODES.textNode(point.value())));
        Extent extent = damage.extent();
        return node.put("disk", text(damage.disk()))
                .put("offset", extent == null ? null : extent.offset())
                .put("length", extent == null ? null : extent.length());
    }

    private static ObjectNode warning(Warning warning) {
        return object().put("code", warning.code())
                .put("disk", text(warning.disk()))
                .put("message", warning.message());
    }

    private static ObjectNode extent(Extent extent) {
        return object().put("offset", extent.offset()).put("length", extent.length());
    }

    private static double seconds(Duration duration) {
        return duration.toMillis() / 1000.0;
    }

    private static @Nullable String text(@Nullable Object id) {
        return id == null ? null : id.toString();
    }

    private static ObjectNode object() {
        return NODES.objectNode();
    }

    private static <T> ArrayNode array(Collection<T> items, Function<? super T, ? extends JsonNode> render) {
        ArrayNode array = NODES.arrayNode();
        items.forEach(item -> array.add(render.apply(item)));
        return array;
    }
}
