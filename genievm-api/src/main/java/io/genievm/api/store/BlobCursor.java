package io.genievm.api.store;

import java.util.Iterator;

/**
 * A listing, pulled one object at a time. For one thread at a time.
 *
 * @since 0.1
 */
public interface BlobCursor extends AutoCloseable {
    /**
     * Goes to the next object.
     *
     * @return whether there is one
     * @throws io.genievm.api.GenieVmException with a common code of {@link BlobStore} when the listing breaks off
     */
    boolean next();

    /**
     * The current object.
     *
     * @return its key and length
     * @throws IllegalStateException unless the last {@link #next()} was true
     */
    BlobEntry entry();

    /** Releases the cursor. Does nothing the second time. */
    @Override
    void close();

    /**
     * A cursor over an iterator in memory.
     *
     * @param entries the objects, in ascending order of their keys' bytes
     * @return a cursor that needs no closing
     */
    static BlobCursor of(Iterator<BlobEntry> entries) {
        return new IteratorCursor(entries);
    }
}
