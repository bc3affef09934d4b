package io.genievm.core.internal.format;

import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/** Computes ids of chunks and map pages. For one thread at a time; allocates nothing per id. */
public final class IdHasher {
    /** Bytes of an id. */
    public static final int ID_BYTES = 32;

    private static final byte[] NULL = new byte[ID_BYTES];
    private static final byte CHUNK = 0;
    private static final byte PAGE = 1;

    private final MessageDigest digest = newDigest();

    /** Writes the id of a chunk to {@code target}. */
    public void chunk(byte[] content, int offset, int length, byte[] target, int targetOffset) {
        hash(CHUNK, content, offset, length, target, targetOffset);
    }

    /** Writes the id of a map page to {@code target}. */
    public void page(byte[] content, int offset, int length, byte[] target, int targetOffset) {
        hash(PAGE, content, offset, length, target, targetOffset);
    }

    private void hash(byte domain, byte[] content, int offset, int length, byte[] target, int targetOffset) {
        digest.update(domain);
        digest.update(content, offset, length);
        try {
            digest.digest(target, targetOffset, ID_BYTES);
        } catch (DigestException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Whether the id at an offset is the null id. */
    public static boolean isNull(byte[] ids, int offset) {
        return equal(ids, offset, NULL, 0);
    }

    /** Whether two ids are the same. */
    public static boolean equal(byte[] a, int aOffset, byte[] b, int bOffset) {
        return Arrays.equals(a, aOffset, aOffset + ID_BYTES, b, bOffset, bOffset + ID_BYTES);
    }

    static byte[] sha256(byte domain, byte[] content) {
        MessageDigest digest = newDigest();
        digest.update(domain);
        return digest.digest(content);
    }

    private static MessageDigest newDigest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
