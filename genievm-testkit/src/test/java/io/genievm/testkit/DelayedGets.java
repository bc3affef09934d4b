package io.genievm.testkit;

import io.genievm.api.store.BlobStore;
import java.nio.ByteBuffer;
import java.util.concurrent.Callable;

/** A store that waits in the middle of every get. */
final class DelayedGets extends ForwardingBlobStore {
    private final Callable<?> delay;

    DelayedGets(BlobStore store, Callable<?> delay) {
        super(store);
        this.delay = delay;
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        try {
            delay.call();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        super.get(key, offset, target);
    }
}
