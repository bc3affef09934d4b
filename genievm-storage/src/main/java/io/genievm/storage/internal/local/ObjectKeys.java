package io.genievm.storage.internal.local;

import java.util.regex.Pattern;

/** The form of keys, as the package description of the store API gives it. */
final class ObjectKeys {
    private static final int MAX_LENGTH = 200;
    private static final String PART = "[a-z0-9_-][a-z0-9._-]*";
    private static final Pattern KEY = Pattern.compile(PART + "(/" + PART + ")*");
    private static final Pattern PREFIX = Pattern.compile("(" + PART + "/)*");

    private ObjectKeys() {}

    static boolean isKey(String key) {
        return key.length() <= MAX_LENGTH && KEY.matcher(key).matches();
    }

    static String requireKey(String key) {
        if (!isKey(key)) {
            throw new IllegalArgumentException("a key is 1 to " + MAX_LENGTH
                    + " characters: parts of a-z, 0-9, '.', '_' and '-', none beginning with '.', joined by '/': '"
                    + key + "'");
        }
        return key;
    }

    static String requirePrefix(String prefix) {
        if (prefix.length() > MAX_LENGTH || !PREFIX.matcher(prefix).matches()) {
            throw new IllegalArgumentException(
                    "a prefix is empty or the beginning of a key that ends with '/': '" + prefix + "'");
        }
        return prefix;
    }
}
