package io.genievm.testkit;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/** Contents of objects that follow from their keys, so that several processes know them. */
final class StoreBytes {
    private StoreBytes() {}

    /** Bytes that differ from key to key and do not repeat. */
    static byte[] of(String key, int length) {
        byte[] bytes = new byte[length];
        new Random(seed(key)).nextBytes(bytes);
        return bytes;
    }

    /** A length for an object, from none to 100 000 bytes. */
    static int length(String key) {
        return new Random(seed(key)).nextInt(100_001);
    }

    private static int seed(String key) {
        return Arrays.hashCode(key.getBytes(StandardCharsets.UTF_8));
    }
}
