package io.genievm.api.store;

import java.util.regex.Pattern;

/**
 * The form of keys, for implementations of {@link BlobStore} to check.
 *
 * @since 0.1
 */
public final class BlobKeys {
    /** The most characters of a key. */
    public static final int MAX_LENGTH = 200;

    private static final String PART = "[a-z0-9_-][a-z0-9._-]*";
    private static final Pattern KEY = Pattern.compile(PART + "(/" + PART + ")*");
    private static final Pattern PREFIX = Pattern.compile("(" + PART + "/)*");

    private BlobKeys() {}

    /**
     * Says whether a text has the form of a key.
     *
     * @param text any text
     * @return whether it has
     */
    public static boolean isKey(String text) {
        return text.length() <= MAX_LENGTH && KEY.matcher(text).matches();
    }

    /**
     * Checks a key.
     *
     * @param key what should be one
     * @return the key
     * @throws IllegalArgumentException when it has another form
     */
    public static String requireKey(String key) {
        if (!isKey(key)) {
            throw new IllegalArgumentException("a key is 1 to " + MAX_LENGTH
                    + " characters: parts of a-z, 0-9, '.', '_' and '-', none beginning with '.', joined by '/': '"
                    + key + "'");
        }
        return key;
    }

    /**
     * Checks what is given to {@link BlobStore#list}.
     *
     * @param prefix what should be a prefix
     * @return the prefix
     * @throws IllegalArgumentException unless it is empty or the beginning of a key that ends with {@code '/'}
     */
    public static String requirePrefix(String prefix) {
        if (prefix.length() > MAX_LENGTH || !PREFIX.matcher(prefix).matches()) {
            throw new IllegalArgumentException(
                    "a prefix is empty or the beginning of a key that ends with '/': '" + prefix + "'");
        }
        return prefix;
    }
}
