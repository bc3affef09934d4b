package io.genievm.api;

import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** What a name that ends up in manifests, messages and file names may look like. */
final class Names {
    private static final int MAX_BYTES = 255;

    private Names() {}

    static String requireName(String what, String value) {
        String allowed = what + " must be 1 to " + MAX_BYTES
                + " bytes of UTF-8 without control characters, '/' and '\\', and neither '.' nor '..'";
        if (value.isEmpty() || value.equals(".") || value.equals("..")) {
            throw new IllegalArgumentException(allowed + ": '" + value + "'");
        }
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '/' || c == '\\' || Character.isISOControl(c)) {
                throw new IllegalArgumentException(allowed + "; character " + i + " is U+" + Integer.toHexString(c));
            }
        }
        int bytes;
        try {
            // Not String.getBytes, which turns half a surrogate pair into '?' and so two names into one.
            bytes = StandardCharsets.UTF_8
                    .newEncoder()
                    .encode(CharBuffer.wrap(value))
                    .remaining();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(allowed + "; it is not valid Unicode", e);
        }
        if (bytes > MAX_BYTES) {
            throw new IllegalArgumentException(allowed + "; it has " + bytes + " bytes");
        }
        return value;
    }

    static String requireHexId(String what, String value) {
        if (value.length() != 32) {
            throw new IllegalArgumentException(what + " must be 32 lower-case hexadecimal digits: '" + value + "'");
        }
        for (int i = 0; i < 32; i++) {
            char c = value.charAt(i);
            if (!(c >= '0' && c <= '9' || c >= 'a' && c <= 'f')) {
                throw new IllegalArgumentException(what + " must be 32 lower-case hexadecimal digits: '" + value + "'");
            }
        }
        return value;
    }
}
