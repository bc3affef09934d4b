package io.genievm.api.store;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;

/**
 * A place for write-once objects under keys. The package description holds the rules that every implementation keeps;
 * the testkit's contract checks them.
 *
 * <p>Errors common to all methods: {@code CLOSED} after {@link #close()}, {@code ACCESS_DENIED},
 * {@code TRANSIENT_IO_ERROR} for what often passes, {@code IO_ERROR} for what does not;
 * {@link IllegalArgumentException} for a key that is not of the form that the package description gives.
 *
 * @since 0.1
 */
public interface BlobStore extends AutoCloseable {
    /**
     * Creates an object unless one of that name exists.
     *
     * @param key its key
     * @param content its bytes; read at least once, maybe several times, only during this call. If there are more or
     *     fewer than it says, {@link IllegalArgumentException} is thrown and nothing is created
     * @return whether this call created the object or found one there, which it left as it was
     * @throws GenieVmException with {@code NO_SPACE}, {@code LIMIT_EXCEEDED} when the store does not take objects of
     *     that size, {@code UNSUPPORTED} when the place can not create exclusively, or a common code. After
     *     {@code NO_SPACE}, {@code LIMIT_EXCEEDED} and {@code UNSUPPORTED} this call has not created the object, and
     *     never will; after any other it is unknown
     */
    PutOutcome put(String key, BlobContent content);

    /**
     * Reads a range of an object.
     *
     * @param key its key
     * @param offset the first byte, 0 or more
     * @param target any buffer, filled from its position to its limit, which becomes its position; no reference is
     *     kept. When this throws, position and content are undefined. With nothing remaining nothing is read; that the object exists is checked
     * @throws GenieVmException with {@code NOT_FOUND} when there is no such object, {@code CORRUPT_DATA} when it ends
     *     before the range does, or a common code
     */
    void get(String key, long offset, ByteBuffer target);

    /**
     * Lists the objects whose keys begin with a prefix.
     *
     * @param prefix any beginning of keys that ends with {@code '/'}, or nothing for all objects
     * @return a cursor in ascending order of the keys' bytes, closed by the caller. An object that is put or deleted
     *     meanwhile may or may not be in it; every other one is, once
     * @throws GenieVmException with a common code, here or from the cursor; a listing never just ends early
     */
    BlobCursor list(String prefix);

    /**
     * Deletes an object. Does nothing when there is none.
     *
     * @param key its key
     * @throws GenieVmException with a common code; whether the object still exists is then unknown
     */
    void delete(String key);

    /**
     * Asks whether an object exists and how long it is.
     *
     * @param key its key
     * @return the object, or empty when there is none
     * @throws GenieVmException with a common code
     */
    Optional<BlobEntry> stat(String key);

    /**
     * By how much a listing or stat may lag behind a put or delete that has answered.
     *
     * @return zero for a strongly consistent store; repositories are only kept on those
     */
    default Duration listingLag() {
        return Duration.ZERO;
    }

    /** Releases what the store holds. Objects stay. Does nothing the second time. */
    @Override
    void close();

    /**
     * Reads a whole object into memory.
     *
     * @param key its key
     * @param maxLength the most bytes to accept
     * @return its bytes, possibly none
     * @throws GenieVmException with {@code NOT_FOUND} when there is no such object, {@code CORRUPT_DATA} when it is
     *     longer than accepted, or a common code
     */
    default byte[] getAll(String key, int maxLength) {
        long length = stat(key)
                .orElseThrow(
                        () -> new GenieVmException(ErrorCode.NOT_FOUND, Resource.named(key), "no such object: " + key))
                .length();
        if (length > maxLength) {
            throw new CorruptDataException(
                    Resource.named(key),
                    key + " has " + length + " bytes; an object of its kind has at most " + maxLength,
                    null);
        }
        byte[] bytes = new byte[(int) length];
        if (length > 0) {
            get(key, 0, ByteBuffer.wrap(bytes));
        }
        return bytes;
    }
}
