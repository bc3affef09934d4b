package io.genievm.core.scale;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A store at the end of a long line. */
final class SlowStore implements BlobStore {
    private final BlobStore store;
    volatile long millis;

    SlowStore(BlobStore store, long millis) {
        this.store = store;
        this.millis = millis;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        pass();
        return store.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        pass();
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

    private void pass() {
        if (millis > 0) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
        }
    }
}
