package io.genievm.core.scale;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;

/** A store at the end of a long line, of which each call can be looked at, and held, before it is made. */
final class SlowStore extends ForwardingBlobStore {
    volatile long millis;
    volatile Consumer<String> before = call -> {};
    final AtomicLong calls = new AtomicLong();

    SlowStore(BlobStore store, long millis) {
        super(store);
        this.millis = millis;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        pass("put " + key);
        return super.put(key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        pass("get " + key);
        super.get(key, offset, target);
    }

    @Override
    public BlobCursor list(String prefix) {
        tell("list " + prefix);
        return super.list(prefix);
    }

    private void pass(String call) {
        tell(call);
        if (millis > 0) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(millis));
        }
    }

    private void tell(String call) {
        calls.incrementAndGet();
        before.accept(call);
    }
}
