package io.genievm.core.testing;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.Optional;
import java.util.function.Predicate;

/**
 * What a store sees of a writer that is killed at some put: from then on nothing, no clearing away either.
 */
public final class DeadWriter implements InterceptedStore.Interceptor {
    private final Predicate<String> lastPut;
    private final boolean putHappens;
    private volatile boolean dead;

    private DeadWriter(Predicate<String> lastPut, boolean putHappens) {
        this.lastPut = lastPut;
        this.putHappens = putHappens;
    }

    /** Dies at the first put of such a key, which does not happen. */
    public static DeadWriter before(Predicate<String> key) {
        return new DeadWriter(key, false);
    }

    /** Dies at the first put of such a key, which does happen. */
    public static DeadWriter after(Predicate<String> key) {
        return new DeadWriter(key, true);
    }

    /** Whether it has come to its put. */
    public boolean isDead() {
        return dead;
    }

    @Override
    public PutOutcome put(BlobStore store, String key, BlobContent content) {
        requireAlive();
        if (lastPut.test(key)) {
            dead = true;
            if (putHappens) {
                store.put(key, content);
            }
        }
        requireAlive();
        return store.put(key, content);
    }

    @Override
    public void get(BlobStore store, String key, long offset, ByteBuffer target) {
        requireAlive();
        store.get(key, offset, target);
    }

    @Override
    public BlobCursor list(BlobStore store, String prefix) {
        requireAlive();
        return store.list(prefix);
    }

    @Override
    public void delete(BlobStore store, String key) {
        requireAlive();
        store.delete(key);
    }

    @Override
    public Optional<BlobEntry> stat(BlobStore store, String key) {
        requireAlive();
        return store.stat(key);
    }

    private void requireAlive() {
        if (dead) {
            throw new GenieVmException(ErrorCode.IO_ERROR, "the writer is dead");
        }
    }
}
