package io.genievm.core.testing;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/** Lets something happen right before the call of a store that has some number. */
public final class Meanwhile implements InterceptedStore.Interceptor {
    private final AtomicInteger calls = new AtomicInteger();
    private final int number;
    private final Runnable what;

    /** Lets it happen before the call of a number, from 0; never where that is negative. */
    public Meanwhile(int number, Runnable what) {
        this.number = number;
        this.what = what;
    }

    /** Only counts. */
    public Meanwhile() {
        this(-1, () -> {});
    }

    /** How many calls there were. */
    public int calls() {
        return calls.get();
    }

    private void call() {
        if (calls.getAndIncrement() == number) {
            what.run();
        }
    }

    @Override
    public PutOutcome put(BlobStore store, String key, BlobContent content) {
        call();
        return store.put(key, content);
    }

    @Override
    public void get(BlobStore store, String key, long offset, ByteBuffer target) {
        call();
        store.get(key, offset, target);
    }

    @Override
    public BlobCursor list(BlobStore store, String prefix) {
        call();
        return store.list(prefix);
    }

    @Override
    public void delete(BlobStore store, String key) {
        call();
        store.delete(key);
    }

    @Override
    public Optional<BlobEntry> stat(BlobStore store, String key) {
        call();
        return store.stat(key);
    }
}
