package io.genievm.core.internal.store;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;

/**
 * Asks a task before each read whether to go on: reading thousands of small objects from far away takes long, and nothing
 * else is done meanwhile. Writes are let through, as they may be those that clean up. Does not own the store.
 */
public final class CheckedStore implements BlobStore {
    private final BlobStore store;
    private final Runnable checkpoint;

    /** Makes a store whose reads throw what the checkpoint throws. */
    public CheckedStore(BlobStore store, Runnable checkpoint) {
        this.store = store;
        this.checkpoint = checkpoint;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        return store.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        checkpoint.run();
        store.get(key, offset, target);
    }

    @Override
    public BlobCursor list(String prefix) {
        checkpoint.run();
        BlobCursor cursor = store.list(prefix);
        return new BlobCursor() {
            @Override
            public boolean next() {
                checkpoint.run();
                return cursor.next();
            }

            @Override
            public BlobEntry entry() {
                return cursor.entry();
            }

            @Override
            public void close() {
                cursor.close();
            }
        };
    }

    @Override
    public void delete(String key) {
        store.delete(key);
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        checkpoint.run();
        return store.stat(key);
    }

    @Override
    public Duration listingLag() {
        return store.listingLag();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("the store belongs to the repository");
    }
}
