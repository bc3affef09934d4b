package io.genievm.core.internal.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeType;
import com.fasterxml.jackson.databind.node.NullNode;
import io.genievm.api.CorruptDataException;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Reads the fields of a JSON object strictly: each must be there and of its type, and none may be left over. */
final class Fields {
    private final String key;
    private final JsonNode node;
    private final Set<String> read = new HashSet<>();

    private Fields(String key, JsonNode node) {
        this.key = key;
        this.node = node;
    }

    static Fields of(String key, JsonNode node) {
        if (!node.isObject()) {
            throw Corruption.in(key, "a JSON object is expected where " + node.getNodeType() + " stands");
        }
        return new Fields(key, node);
    }

    String text(String name) {
        return typed(name, JsonNodeType.STRING).textValue();
    }

    @Nullable
    String textOrNull(String name) {
        return isNull(name) ? null : text(name);
    }

    long number(String name) {
        JsonNode value = typed(name, JsonNodeType.NUMBER);
        if (!value.isIntegralNumber() || !value.canConvertToLong() || value.longValue() < 0) {
            throw bad(name, "a whole number from 0 to 2^63-1");
        }
        return value.longValue();
    }

    int smallNumber(String name) {
        long value = number(name);
        if (value > Integer.MAX_VALUE) {
            throw bad(name, "a whole number from 0 to 2^31-1");
        }
        return (int) value;
    }

    boolean flag(String name) {
        return typed(name, JsonNodeType.BOOLEAN).booleanValue();
    }

    Instant time(String name) {
        return parsed(name, "a time in UTC", text -> {
            if (!text.endsWith("Z")) {
                throw new IllegalArgumentException(text);
            }
            return Instant.parse(text);
        });
    }

    SessionId sessionId(String name) {
        return parsed(name, "an id", SessionId::new);
    }

    @Nullable
    SessionId sessionIdOrNull(String name) {
        return isNull(name) ? null : sessionId(name);
    }

    /** Reads the repository's id and compares it. */
    void repository(RepositoryId expected) {
        RepositoryId found = repositoryId();
        if (!found.equals(expected)) {
            throw Corruption.in(key, "it belongs to repository " + found + ", not to " + expected);
        }
    }

    RepositoryId repositoryId() {
        return parsed("repository", "an id", RepositoryId::new);
    }

    <T> T parsed(String name, String what, Function<String, T> parser) {
        String value = text(name);
        try {
            return parser.apply(value);
        } catch (IllegalArgumentException | DateTimeException e) {
            throw Corruption.in(key, "field '" + name + "' is not " + what + ": " + e.getMessage(), e);
        }
    }

    /** Reads so many lower-case hexadecimal digits. */
    String hex(String name, int digits) {
        return parsed(name, digits + " lower-case hexadecimal digits", text -> {
            if (!text.matches("[0-9a-f]{" + digits + "}")) {
                throw new IllegalArgumentException(text);
            }
            return text;
        });
    }

    boolean isNull(String name) {
        return value(name) instanceof NullNode;
    }

    void requireNull(String name) {
        if (!isNull(name)) {
            throw bad(name, "null");
        }
    }

    Fields object(String name) {
        return of(key, typed(name, JsonNodeType.OBJECT));
    }

    <T> List<T> objects(String name, Function<Fields, T> reader) {
        List<T> list = new ArrayList<>();
        for (JsonNode element : typed(name, JsonNodeType.ARRAY)) {
            Fields fields = of(key, element);
            list.add(reader.apply(fields));
            fields.end();
        }
        return List.copyOf(list);
    }

    List<SessionId> sessionIds(String name) {
        try {
            return texts(name).stream().map(SessionId::new).toList();
        } catch (IllegalArgumentException e) {
            throw Corruption.in(key, "field '" + name + "' holds no ids", e);
        }
    }

    List<String> texts(String name) {
        List<String> list = new ArrayList<>();
        for (JsonNode element : typed(name, JsonNodeType.ARRAY)) {
            if (!element.isTextual()) {
                throw bad(name, "an array of strings");
            }
            list.add(element.textValue());
        }
        return List.copyOf(list);
    }

    Map<String, String> textMap(String name) {
        Map<String, String> map = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry :
                typed(name, JsonNodeType.OBJECT).properties()) {
            if (!entry.getValue().isTextual()) {
                throw bad(name, "an object of strings");
            }
            map.put(entry.getKey(), entry.getValue().textValue());
        }
        return map;
    }

    /** Checks that every field was read. */
    void end() {
        node.fieldNames().forEachRemaining(name -> {
            if (!read.contains(name)) {
                throw Corruption.in(key, "it has an unknown field '" + name + "'");
            }
        });
    }

    CorruptDataException bad(String name, String expected) {
        return Corruption.in(key, "field '" + name + "' is not " + expected);
    }

    private JsonNode value(String name) {
        JsonNode value = node.get(name);
        if (value == null) {
            throw Corruption.in(key, "field '" + name + "' is missing");
        }
        read.add(name);
        return value;
    }

    private JsonNode typed(String name, JsonNodeType type) {
        JsonNode value = value(name);
        if (value.getNodeType() != type) {
            throw bad(name, "of type " + type);
        }
        return value;
    }
}
