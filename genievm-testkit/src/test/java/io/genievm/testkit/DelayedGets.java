package io.genievm.testkit;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.Callable;

/** A store that waits in the middle of every get. */
record DelayedGets(BlobStore store, Callable<?> delay) implements BlobStore {
    @Override
    public PutOutcome put(String key, BlobContent content) {
        return store.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        try {
            delay.call();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
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
    public void close() {
        store.close();
    }
}
