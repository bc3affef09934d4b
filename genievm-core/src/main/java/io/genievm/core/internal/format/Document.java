package io.genievm.core.internal.format;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.genievm.api.RepositoryId;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.zip.CRC32C;

/** The envelope of JSON documents: a JSON object, a line feed, and a line with kind, length and checksum. */
final class Document {
    private static final ObjectMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    // Documents are UTF-8, never what merely looks like UTF-16 or begins with a byte order mark.
                    .disable(JsonFactory.Feature.CHARSET_DETECTION)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxStringLength(16 << 20)
                            .maxNameLength(1 << 20)
                            .maxNestingDepth(16)
                            .build())
                    .build())
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private Document() {}

    /** Begins the JSON object of a document. */
    static ObjectNode begin(RepositoryId repository) {
        return MAPPER.createObjectNode().put("format", FormatVersion.CURRENT).put("repository", repository.value());
    }

    /** Closes a document: its bytes, ready to be stored. */
    static byte[] encode(String kind, ObjectNode body) {
        byte[] json;
        try {
            json = MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(body);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
        int length = json.length + 1;
        CRC32C crc = new CRC32C();
        crc.update(json);
        crc.update('\n');
        byte[] trailer = trailer(kind, length, crc).getBytes(StandardCharsets.US_ASCII);
        byte[] bytes = new byte[length + trailer.length];
        System.arraycopy(json, 0, bytes, 0, json.length);
        bytes[json.length] = '\n';
        System.arraycopy(trailer, 0, bytes, length, trailer.length);
        return bytes;
    }

    /** Opens a document: checks envelope and version, and leaves its fields to be read. */
    static Fields decode(String key, String kind, byte[] bytes) {
        int end = bytes.length - 1;
        int start = end - 1;
        while (start >= 0 && bytes[start] != '\n') {
            start--;
        }
        if (start < 0 || bytes[end] != '\n') {
            throw Corruption.in(key, "it does not end in a line with length and checksum");
        }
        int length = start + 1;
        CRC32C crc = new CRC32C();
        crc.update(bytes, 0, length);
        String expected = trailer(kind, length, crc);
        String found = new String(bytes, length, bytes.length - length, StandardCharsets.ISO_8859_1);
        if (!found.equals(expected)) {
            throw Corruption.in(
                    key, "its last line is '" + printable(found) + "' and should be '" + printable(expected) + "'");
        }
        JsonNode node;
        try {
            node = MAPPER.readTree(bytes, 0, length);
        } catch (JsonProcessingException e) {
            throw Corruption.in(key, "it is no JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw Corruption.in(key, "it is no JSON: " + e.getMessage(), e);
        }
        Fields fields = Fields.of(key, node);
        Corruption.checkVersion(key, fields.number("format"));
        return fields;
    }

    private static String trailer(String kind, int length, CRC32C crc) {
        return "genievm " + kind + " " + length + " " + HexFormat.of().toHexDigits((int) crc.getValue()) + "\n";
    }

    private static String printable(String line) {
        String text = line.strip().replaceAll("[^ -~]", "?");
        return text.length() <= 100 ? text : text.substring(0, 100) + "...";
    }
}
