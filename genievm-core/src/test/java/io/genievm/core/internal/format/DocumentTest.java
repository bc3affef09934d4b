package io.genievm.core.internal.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import io.genievm.api.CorruptDataException;
import io.genievm.api.RepositoryId;
import io.genievm.api.UnsupportedFormatVersionException;
import io.genievm.core.testing.PlainRepository;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What docs/format/documents.md says of every document, checked for every kind and every field. */
class DocumentTest {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

    /** Fields that may be {@code null}, by the path that {@link #places} gives. */
    private static final Set<String> NULLABLE = Set.of(
            "/encryption",
            "/parent",
            "/disks/*/map/root",
            "/disks/*/reason",
            "/disks/*/token",
            "/disks/*/provenPoint",
            "/disks/*/auditState",
            "/disks/*/audit",
            "/disks/*/audit/stripe",
            "/warnings/*/disk");

    static Stream<Samples.Kind> kinds() {
        return Samples.kinds().stream();
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("what was written is read again")
    void roundTrip(Samples.Kind kind) {
        Object expected = switch (kind.name()) {
            case "repository" -> Samples.PARAMETERS;
            case "witness" -> Samples.WITNESS;
            case "session" -> Samples.SESSION;
            case "plan" ->
                new CollectionPlan(Samples.PARENT.value(), List.of(Samples.PACK_KEY), List.of(Samples.POINT));
            case "verdict" -> new CollectionPlan(Samples.PARENT.value(), List.of(Samples.PACK_KEY), null);
            default -> Samples.MANIFEST;
        };

        assertThat(kind.decode(kind.bytes())).usingRecursiveComparison().isEqualTo(expected);
    }

    @Test
    @DisplayName("a verdict that cancels a plan is read as one that deletes nothing")
    void emptyVerdict() {
        byte[] bytes = CollectionPlan.emptyVerdict(Samples.REPOSITORY, Samples.PARENT.value());

        assertThat(CollectionPlan.decodeVerdict(Samples.VERDICT_KEY, Samples.REPOSITORY, bytes)
                        .packs())
                .isEmpty();
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("fields may stand in any order, with any white space")
    void anyOrder(Samples.Kind kind) {
        ObjectNode reversed = JSON.objectNode();
        List<String> names = new ArrayList<>();
        kind.json().fieldNames().forEachRemaining(names::add);
        for (int i = names.size() - 1; i >= 0; i--) {
            reversed.set(names.get(i), kind.json().get(names.get(i)));
        }
        byte[] compact = PlainRepository.document(kind.name(), reversed.toString());

        assertThat(kind.decode(compact)).usingRecursiveComparison().isEqualTo(kind.decode(kind.bytes()));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a missing field is damage that names it")
    void missingField(Samples.Kind kind) {
        forEveryField(kind, place -> {
            place.object.remove(place.name);
            assertDamaged(kind, place).hasMessageContaining("'" + place.name + "'");
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a field of another type is damage that names it")
    void wrongType(Samples.Kind kind) {
        forEveryField(kind, place -> {
            for (JsonNode other : List.of(
                    JSON.numberNode(3),
                    JSON.numberNode(-1),
                    JSON.numberNode(1.5),
                    JSON.textNode("no such \u0000 thing"),
                    JSON.booleanNode(true),
                    JSON.arrayNode(),
                    JSON.arrayNode().addNull(),
                    JSON.objectNode())) {
                if (isOfType(place.value, other)) {
                    continue;
                }
                place.object.set(place.name, other);
                assertDamaged(kind, place)
                        .satisfies(failure -> assertThat(failure.getMessage())
                                .containsAnyOf("'" + place.name + "'", "field", "JSON object"));
            }
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("null is damage but where it is allowed")
    void nullField(Samples.Kind kind) {
        forEveryField(kind, place -> {
            place.object.putNull(place.name);
            if (NULLABLE.contains(place.path)) {
                kind.decode(place.document(kind));
            } else {
                assertDamaged(kind, place).hasMessageContaining("'" + place.name + "'");
            }
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a number that is not whole, negative or beyond 2^63-1 is damage")
    void oddNumbers(Samples.Kind kind) {
        forEveryField(kind, place -> {
            if (place.value.isNumber()) {
                for (String number : List.of("1.0", "1e2", "-1", "9223372036854775808", "1" + "0".repeat(400))) {
                    place.object.putRawValue(place.name, new RawValue(number));
                    assertDamaged(kind, place).hasMessageContaining("'" + place.name + "'");
                }
            }
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("an unknown field is damage that names it, at every depth")
    void unknownField(Samples.Kind kind) {
        forEveryObject(kind, place -> {
            place.object.put("surprise", 1);
            assertDamaged(kind, place).hasMessageContaining("surprise");
        });
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a field that stands twice is damage, at every depth")
    void duplicateField(Samples.Kind kind) {
        String text = kind.json().toString();
        int at = text.indexOf("\":");
        while (at >= 0) {
            int start = text.lastIndexOf('"', at - 1);
            String name = text.substring(start, at + 1);
            String twice = text.substring(0, start) + name + ":null," + text.substring(start);
            assertDamaged(twice, kind, PlainRepository.document(kind.name(), twice));
            at = text.indexOf("\":", at + 1);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("values that are of the right type and can not be are damage that names the field")
    void impossibleValues(Samples.Kind kind) {
        List<String[]> cases = switch (kind.name()) {
            case "repository" ->
                List.of(
                        new String[] {"chunkSize", "4097"},
                        new String[] {"chunkSize", "2048"},
                        new String[] {"segmentSize", "33554432"},
                        new String[] {"segmentSize", "5000"},
                        new String[] {"packSize", "1048575"},
                        new String[] {"packSize", "1073741825"},
                        new String[] {"fanOut", "512"},
                        new String[] {"chunkHash", "\"md5\""},
                        new String[] {"chunkHash", "\"hmac-sha256\""},
                        new String[] {"created", "\"yesterday\""},
                        new String[] {"repository", "\"000102030405060708090A0B0C0D0E0F\""},
                        new String[] {"encryption", "{}"});
            case "point" ->
                List.of(
                        new String[] {"sequence", "0"},
                        new String[] {"point", "\"00\""},
                        new String[] {"point", "\"" + Samples.PARENT + "\""},
                        new String[] {"vm", "\"other\""},
                        new String[] {"vm", "\"\""},
                        new String[] {"quiesced", "\"SOMEHOW\""},
                        new String[] {"codec", "\"zstd:23\""},
                        new String[] {"codec", "\"gzip\""},
                        new String[] {"packs", "2147483648"},
                        new String[] {"parent", "\"x\""});
            case "witness" ->
                List.of(
                        new String[] {"crc32c", "\"badcafe\""},
                        new String[] {"crc32c", "\"0BADCAFE\""},
                        new String[] {"crc32c", "\"000badcafe\""},
                        new String[] {"sequence", "0"},
                        new String[] {"point", "\"" + Samples.PARENT + "\""},
                        new String[] {"vm", "\"other\""});
            case "session" ->
                List.of(
                        new String[] {"purpose", "\"collect\""},
                        new String[] {"session", "\"" + Samples.PARENT + "\""},
                        new String[] {"vm", "\"other\""},
                        new String[] {"started", "\"2026-11-21 08:40\""},
                        new String[] {"started", "\"2026-11-21T08:40:00+01:00\""});
            case "plan" ->
                List.of(
                        new String[] {"plan", "\"" + Samples.POINT + "\""},
                        new String[] {"condemned", "[\"packs/00/x\"]"},
                        new String[] {"condemned", "[\"repository.json\"]"},
                        new String[] {"condemned", "[1]"},
                        new String[] {"points", "[\"x\"]"});
            default ->
                List.of(
                        new String[] {"plan", "\"" + Samples.POINT + "\""},
                        new String[] {"delete", "[\"repository.json\"]"});
        };
        for (String[] each : cases) {
            ObjectNode json = (ObjectNode) kind.json();
            json.putRawValue(each[0], new RawValue(each[1]));
            assertDamaged(each[0] + ": " + each[1], kind, PlainRepository.document(kind.name(), json.toString()));
        }
    }

    @Test
    @DisplayName("point: values of its disks that can not be are damage")
    void impossibleDisks() {
        List<String[]> cases = List.of(
                new String[] {"id", "\"a/b\""},
                new String[] {"id", "\"z\""},
                new String[] {"capacity", "1"},
                new String[] {"capacity", "9223372036854775807"},
                new String[] {"map", "{\"height\": 2, \"root\": null}"},
                new String[] {"map", "{\"height\": 3, \"root\": \"a1\"}"},
                new String[] {"map", "{\"height\": 3, \"root\": \"" + "A1".repeat(32) + "\"}"},
                new String[] {"map", "{\"height\": 3, \"root\": \"" + "00".repeat(32) + "\"}"},
                new String[] {"map", "{\"height\": 3, \"root\": \"" + "xy".repeat(32) + "\"}"},
                new String[] {"plan", "\"SOME\""},
                new String[] {"trust", "\"PROVEN\""},
                new String[] {"trust", "\"suspect\""},
                new String[] {"auditState", "{\"seed\": \"x\", \"stripes\": 1, \"next\": 0, \"covered\": 0}"},
                new String[] {
                    "audit", "{\"stripe\": 0, \"comparedBytes\": 0, \"mismatches\": [{\"offset\": 0, \"length\": 0}]}"
                },
                new String[] {
                    "audit",
                    "{\"stripe\": 0, \"comparedBytes\": 0, \"mismatches\": [{\"offset\": 9223372036854775807,"
                            + " \"length\": 1}]}"
                });
        Samples.Kind point = Samples.kinds().get(1);
        for (String[] each : cases) {
            ObjectNode json = (ObjectNode) point.json();
            ((ObjectNode) json.get("disks").get(0)).putRawValue(each[0], new RawValue(each[1]));
            assertDamaged(each[0] + ": " + each[1], point, PlainRepository.document("point", json.toString()));
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("the last line must be just what the bytes before it ask for")
    void wrongLastLine(Samples.Kind kind) {
        String text = new String(kind.bytes(), StandardCharsets.UTF_8);
        int last = text.lastIndexOf("genievm " + kind.name() + " ");
        String line = text.substring(last);
        String body = text.substring(0, last);
        String[] words = line.strip().split(" ");
        for (String other : List.of(
                "",
                "\n",
                line.strip(),
                line.replace("\n", "\r\n"),
                line + "\n",
                line + " ",
                line + line,
                " " + line,
                line.replace("genievm", "Genievm"),
                "genievm other " + words[2] + " " + words[3] + "\n",
                "genievm " + words[1] + " " + (Integer.parseInt(words[2]) + 1) + " " + words[3] + "\n",
                "genievm " + words[1] + " 0" + words[2] + " " + words[3] + "\n",
                "genievm " + words[1] + " " + words[2] + " 00000000\n",
                "genievm " + words[1] + " " + words[2] + " " + words[3] + " x\n",
                "genievm " + words[1] + "-sealed " + words[2] + " " + words[3] + "\n",
                "genievm " + words[1] + "  " + words[2] + " " + words[3] + "\n")) {
            assertDamaged("last line '" + other + "'", kind, (body + other).getBytes(StandardCharsets.UTF_8));
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("what is no JSON object in UTF-8 is damage, even with a right last line")
    void noJsonObject(Samples.Kind kind) {
        String json = kind.json().toString();
        List<byte[]> bodies = new ArrayList<>();
        for (String text : List.of(
                "",
                "\n",
                "[]\n",
                "null\n",
                "1\n",
                "\"x\"\n",
                "{\n",
                json + "{}\n",
                json + " x\n",
                json + ",\n",
                "// comment\n" + json + "\n",
                json.replace("\"format\":1", "\"format\":1,") + "\n",
                json.replace('"', '\'') + "\n",
                json.replace("\"format\":1", "\"format\":NaN") + "\n",
                json.replace("\"format\":1", "\"format\":01") + "\n",
                json.replace("\"format\":1", "\"deep\":" + "[".repeat(100_000) + "]".repeat(100_000)) + "\n")) {
            bodies.add(text.getBytes(StandardCharsets.UTF_8));
        }
        bodies.add(("\ufeff" + json + "\n").getBytes(StandardCharsets.UTF_8));
        bodies.add(withLineFeed(json.getBytes(StandardCharsets.UTF_16BE)));
        bodies.add(withLineFeed(json.getBytes(StandardCharsets.UTF_16LE)));
        bodies.add(withLineFeed(json.getBytes(Charset.forName("UTF-32BE"))));
        bodies.add((json.replace("\"format\":1", "\"format\":1,\"\u00e4\":1") + "\n")
                .getBytes(StandardCharsets.ISO_8859_1));
        for (byte[] body : bodies) {
            assertDamaged(
                    new String(body, 0, Math.min(body.length, 300), StandardCharsets.ISO_8859_1),
                    kind,
                    PlainRepository.sealed(kind.name(), body));
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("the beginning of a document, of whatever length, is damage")
    void truncated(Samples.Kind kind) {
        for (int length = 0; length < kind.bytes().length; length++) {
            byte[] beginning = Arrays.copyOf(kind.bytes(), length);
            assertDamaged("the first " + length + " bytes", kind, beginning);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("every single flipped bit is damage, and never too new")
    void flipped(Samples.Kind kind) {
        for (int bit = 0; bit < 8 * kind.bytes().length; bit++) {
            byte[] flipped = kind.bytes().clone();
            flipped[bit / 8] ^= (byte) (1 << bit % 8);
            assertDamaged("bit " + bit, kind, flipped);
        }
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a greater format number is too new, whatever else is in the document; zero is damage")
    void tooNew(Samples.Kind kind) {
        ObjectNode json = (ObjectNode) kind.json();
        json.put("format", 2);
        assertTooNew(kind, json.toString());
        json.put("surprise", 1).remove("repository");
        assertTooNew(kind, json.toString());
        assertTooNew(kind, "{\"format\": 9223372036854775807}");

        json.put("format", 0);
        assertDamaged("format 0", kind, PlainRepository.document(kind.name(), json.toString()));
    }

    @ParameterizedTest
    @MethodSource("kinds")
    @DisplayName("a document of another repository is damage that names both")
    void otherRepository(Samples.Kind kind) {
        if (kind.name().equals("repository")) {
            return;
        }
        RepositoryId other = new RepositoryId("f".repeat(32));
        ObjectNode json = (ObjectNode) kind.json();
        json.put("repository", other.value());

        assertDamaged("other", kind, PlainRepository.document(kind.name(), json.toString()))
                .hasMessageContaining(other.value())
                .hasMessageContaining(Samples.REPOSITORY.value());
    }

    @Test
    @DisplayName("one kind of document is none of another kind")
    void otherKind() {
        for (Samples.Kind kind : Samples.kinds()) {
            for (Samples.Kind other : Samples.kinds()) {
                if (!kind.name().equals(other.name())) {
                    assertDamaged(other.name(), kind, other.bytes());
                }
            }
        }
    }

    // ---- walking through the fields

    /** A field, or an object, of a copy of a sample. */
    private record Place(JsonNode root, ObjectNode object, String name, JsonNode value, String path) {
        byte[] document(Samples.Kind kind) {
            return PlainRepository.document(kind.name(), root.toString());
        }
    }

    private static void forEveryField(Samples.Kind kind, Consumer<Place> test) {
        int count = places(kind.json(), false).size();
        assertThat(count).isGreaterThan(3);
        for (int i = 0; i < count; i++) {
            test.accept(places(kind.json(), false).get(i));
        }
    }

    private static void forEveryObject(Samples.Kind kind, Consumer<Place> test) {
        int count = places(kind.json(), true).size();
        for (int i = 0; i < count; i++) {
            test.accept(places(kind.json(), true).get(i));
        }
    }

    private static List<Place> places(JsonNode root, boolean objects) {
        List<Place> places = new ArrayList<>();
        collect(root, root, "", objects, places);
        return places;
    }

    private static void collect(JsonNode root, JsonNode node, String path, boolean objects, List<Place> into) {
        if (path.equals("/hardware")) {
            // The one object whose field names are anybody's.
            return;
        }
        if (node instanceof ObjectNode object) {
            if (objects) {
                into.add(new Place(root, object, "", object, path));
            }
            object.properties().forEach(field -> {
                String below = path + "/" + field.getKey();
                if (!objects) {
                    into.add(new Place(root, object, field.getKey(), field.getValue(), below));
                }
                collect(root, field.getValue(), below, objects, into);
            });
        } else if (node instanceof ArrayNode array) {
            array.forEach(element -> collect(root, element, path + "/*", objects, into));
        }
    }

    /** Whether a value may stand where the other does, as far as its type goes. */
    private static boolean isOfType(JsonNode value, JsonNode other) {
        if (value.isNumber()) {
            return other.isIntegralNumber() && other.longValue() >= 0;
        }
        return value.isNull() || value.getNodeType() == other.getNodeType();
    }

    private static byte[] withLineFeed(byte[] bytes) {
        byte[] longer = Arrays.copyOf(bytes, bytes.length + 1);
        longer[bytes.length] = '\n';
        return longer;
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> assertDamaged(Samples.Kind kind, Place place) {
        return assertDamaged(place.path + ": " + place.object.get(place.name), kind, place.document(kind));
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> assertDamaged(
            String description, Samples.Kind kind, byte[] document) {
        return assertThat(catchThrowable(() -> kind.decode(document)))
                .as(description)
                .isInstanceOf(CorruptDataException.class)
                .hasMessageContaining(kind.key());
    }

    private static void assertTooNew(Samples.Kind kind, String json) {
        assertThat(catchThrowable(() -> kind.decode(PlainRepository.document(kind.name(), json))))
                .as(json)
                .isInstanceOf(UnsupportedFormatVersionException.class)
                .hasMessageContaining(kind.key());
    }
}
