package io.genievm.testkit;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;

/**
 * A store that passes every call on to another. Extend it to watch, delay or break some of them. As safe for use by
 * several threads as the other. {@link #getAll} is built from {@link #stat} and {@link #get}, as everywhere.
 *
 * @since 0.1
 */
public class ForwardingBlobStore implements BlobStore {
    private final BlobStore store;

    /**
     * Makes a store before another.
     *
     * @param store where the calls go; closed with this one
     */
    protected ForwardingBlobStore(BlobStore store) {
        this.store = store;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        return store.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        store.get(key, offset, target);
    }

    @Override
    public BlobCursor list(String prefix) {
        return store.list(prefix);
    }

    @Override
    public void delete(String key) {
        store.delete(key);
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        return store.stat(key);
    }

    @Override
    public Duration listingLag() {
        return store.listingLag();
    }

    @Override
    public void close() {
        store.close();
    }
}
