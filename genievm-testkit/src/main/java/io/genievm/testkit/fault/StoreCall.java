package io.genievm.testkit.fault;

/**
 * A call of a {@link FaultyBlobStore}. A listing is one call, however far its cursor is moved.
 *
 * @param number how many calls there were before it, from 0, since the script was set
 * @param operation what is asked for
 * @param key the object's key; the prefix of a listing
 * @since 0.1
 */
public record StoreCall(int number, Operation operation, String key) {
    /**
     * The operations of a store.
     *
     * @since 0.1
     */
    public enum Operation {
        /** {@link io.genievm.api.store.BlobStore#put}. */
        PUT,
        /** {@link io.genievm.api.store.BlobStore#get}. */
        GET,
        /** {@link io.genievm.api.store.BlobStore#list}. */
        LIST,
        /** {@link io.genievm.api.store.BlobStore#delete}. */
        DELETE,
        /** {@link io.genievm.api.store.BlobStore#stat}. */
        STAT
    }

    /**
     * Says whether this is a put of a kind of object.
     *
     * @param prefix what its key begins with
     * @return whether it is one
     */
    public boolean isPut(String prefix) {
        return operation == Operation.PUT && key.startsWith(prefix);
    }

    @Override
    public String toString() {
        return "call " + number + ", " + operation + " '" + key + "'";
    }
}
