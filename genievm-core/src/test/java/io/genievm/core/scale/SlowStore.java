package io.genievm.core.scale;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** A store at the end of a long line. */
final class SlowStore extends ForwardingBlobStore {
    volatile long millis;

    SlowStore(BlobStore store, long millis) {
        super(store);
        this.millis = millis;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        pass();
        return super.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        pass();
        super.get(key, offset, target);
    }

    private void pass() {
        if (millis > 0) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
        }
    }
}
