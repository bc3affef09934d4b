package io.genievm.api.store;

/**
 * An object that exists.
 *
 * @param key its key
 * @param length its length in bytes, 0 or more
 * @since 0.1
 */
public record BlobEntry(String key, long length) {}
