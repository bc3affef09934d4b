package io.genievm.storage.internal.images;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import io.genievm.api.hypervisor.ChangeToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * Reads a list of changes, whose form {@link ImagesProvider} describes: one line at a time, in constant memory, and
 * nothing that is not of that form. For one thread.
 */
final class ChangeListReader {
    /** Enough for two tokens of 4 096 bytes each, however they are escaped. */
    static final int MAX_LINE = 1 << 16;

    private static final String TOKENS = "the first line is {\"token\":\"T2\",\"since\":\"T1\"} with texts of 1 to 4096"
            + " bytes that differ, where \"since\" may be missing";
    private static final String EXTENT =
            "every line but the first is {\"offset\":N,\"length\":N} with whole numbers of bytes";
    private static final JsonFactory JSON = JsonFactory.builder()
            // A list is UTF-8, never what merely looks like UTF-16 or begins with a byte order mark.
            .disable(JsonFactory.Feature.CHARSET_DETECTION)
            // Names come from outside: they are not to stay in this process for ever.
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private final ReadableByteChannel source;
    private final byte[] buffer = new byte[MAX_LINE + 1];
    private int lineStart;
    private int lineEnd;
    private int nextLine;
    private int filled;
    private long lineNumber;
    private long offset;
    private long length;

    /** Reads a list from its beginning. The source stays the caller's. */
    ChangeListReader(ReadableByteChannel source) {
        this.source = source;
    }

    /**
     * What the first line tells.
     *
     * @param token the mark that the list was made at
     * @param since the mark from which on it tells changes; empty in a first list
     */
    record Tokens(ChangeToken token, Optional<ChangeToken> since) {}

    /** Reads the first line. To be called once, before {@link #next}. */
    Tokens tokens() throws IOException, MalformedChangeListException {
        if (!nextLine()) {
            lineNumber++;
            throw malformed("the list is empty", TOKENS);
        }
        ChangeToken token = null;
        ChangeToken since = null;
        try (JsonParser line = parser(TOKENS)) {
            begin(line, TOKENS);
            for (String name = line.nextFieldName(); name != null; name = line.nextFieldName()) {
                switch (name) {
                    case "token" -> token = token(line, name);
                    case "since" -> since = token(line, name);
                    default -> throw unknown(name, TOKENS);
                }
            }
            end(line, TOKENS);
        } catch (JsonProcessingException e) {
            throw malformed("no JSON: " + e.getOriginalMessage(), TOKENS);
        }
        if (token == null) {
            throw missing("token", TOKENS);
        }
        if (token.equals(since)) {
            throw malformed("\"token\" and \"since\" are equal: the list was not begun anew at a new mark", TOKENS);
        }
        return new Tokens(token, Optional.ofNullable(since));
    }

    /** Goes to the next extent and says whether there is one. */
    boolean next() throws IOException, MalformedChangeListException {
        if (!nextLine()) {
            return false;
        }
        offset = -1;
        length = -1;
        try (JsonParser line = parser(EXTENT)) {
            begin(line, EXTENT);
            for (String name = line.nextFieldName(); name != null; name = line.nextFieldName()) {
                switch (name) {
                    case "offset" -> offset = bytes(line, name);
                    case "length" -> length = bytes(line, name);
                    default -> throw unknown(name, EXTENT);
                }
            }
            end(line, EXTENT);
        } catch (JsonProcessingException e) {
            throw malformed("no JSON: " + e.getOriginalMessage(), EXTENT);
        }
        if (offset < 0) {
            throw missing("offset", EXTENT);
        }
        if (length < 0) {
            throw missing("length", EXTENT);
        }
        return true;
    }

    /** The current extent's first byte: any number from 0 on. */
    long offset() {
        return offset;
    }

    /** The current extent's length in bytes: any number from 0 on. */
    long length() {
        return length;
    }

    private boolean nextLine() throws IOException, MalformedChangeListException {
        lineStart = nextLine;
        for (int at = nextLine; ; at++) {
            if (at == filled) {
                at -= moveToFront();
                if (!fill()) {
                    lineEnd = filled;
                    nextLine = filled;
                    break;
                }
            }
            if (buffer[at] == '\n') {
                lineEnd = at;
                nextLine = at + 1;
                break;
            }
        }
        boolean found = nextLine > lineStart;
        lineNumber += found ? 1 : 0;
        return found;
    }

    private int moveToFront() {
        int moved = lineStart;
        System.arraycopy(buffer, moved, buffer, 0, filled - moved);
        filled -= moved;
        lineStart = 0;
        return moved;
    }

    /** Says whether there was more. */
    private boolean fill() throws IOException, MalformedChangeListException {
        if (filled == buffer.length) {
            lineNumber++;
            throw malformed("longer than " + MAX_LINE + " bytes", lineNumber == 1 ? TOKENS : EXTENT);
        }
        int read = source.read(ByteBuffer.wrap(buffer, filled, buffer.length - filled));
        filled += Math.max(0, read);
        return read > 0;
    }

    private JsonParser parser(String form) throws IOException, MalformedChangeListException {
        for (int i = lineStart; i < lineEnd; i++) {
            if (buffer[i] < 0) {
                requireText(form);
                break;
            }
        }
        return JSON.createParser(buffer, lineStart, lineEnd - lineStart);
    }

    /** The parser takes bytes for UTF-8 that are none, such as half a surrogate pair or a character in too many. */
    private void requireText(String form) throws MalformedChangeListException {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(buffer, lineStart, lineEnd - lineStart))
                    .toString();
        } catch (CharacterCodingException e) {
            throw malformed("not UTF-8", form);
        }
        if (text.startsWith("\ufeff")) {
            throw malformed("a byte order mark before the text", form);
        }
    }

    private void begin(JsonParser line, String form) throws IOException, MalformedChangeListException {
        JsonToken first = line.nextToken();
        if (first != JsonToken.START_OBJECT) {
            throw malformed(first == null ? "a blank line" : "not one object in braces", form);
        }
    }

    private void end(JsonParser line, String form) throws IOException, MalformedChangeListException {
        if (line.nextToken() != null) {
            throw malformed("more than one object", form);
        }
    }

    private ChangeToken token(JsonParser line, String name) throws IOException, MalformedChangeListException {
        if (line.nextToken() != JsonToken.VALUE_STRING) {
            throw malformed("\"" + name + "\" is no text in quotes", TOKENS);
        }
        try {
            return new ChangeToken(line.getText());
        } catch (IllegalArgumentException e) {
            throw malformed("\"" + name + "\": " + e.getMessage(), TOKENS);
        }
    }

    private long bytes(JsonParser line, String name) throws IOException, MalformedChangeListException {
        if (line.nextToken() != JsonToken.VALUE_NUMBER_INT) {
            throw malformed("\"" + name + "\" is no whole number", EXTENT);
        }
        if (line.getTextCharacters()[line.getTextOffset()] == '-') {
            throw malformed("\"" + name + "\" is negative", EXTENT);
        }
        if (line.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
            throw malformed("\"" + name + "\" is larger than " + Long.MAX_VALUE, EXTENT);
        }
        return line.getLongValue();
    }

    private MalformedChangeListException unknown(String name, String form) {
        return malformed("unknown field \"" + name + "\"", form);
    }

    private MalformedChangeListException missing(String name, String form) {
        return malformed("no \"" + name + "\"", form);
    }

    private MalformedChangeListException malformed(String what, String form) {
        return new MalformedChangeListException("line " + lineNumber + ": " + Shown.text(what) + "; " + form);
    }
}
