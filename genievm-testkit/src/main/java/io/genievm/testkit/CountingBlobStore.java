package io.genievm.testkit;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Remembers what is asked of another store.
 *
 * @since 0.1
 */
public final class CountingBlobStore extends ForwardingBlobStore {
    private final Queue<Get> gets = new ConcurrentLinkedQueue<>();
    private final Queue<Put> puts = new ConcurrentLinkedQueue<>();
    private final Queue<String> deletes = new ConcurrentLinkedQueue<>();
    private final AtomicInteger getsInFlight = new AtomicInteger();
    private final AtomicInteger maxGetsInFlight = new AtomicInteger();

    /**
     * A call of {@link BlobStore#get}.
     *
     * @param key the object's key
     * @param offset the first byte
     * @param length how many bytes, 0 or more
     * @since 0.1
     */
    public record Get(String key, long offset, int length) {}

    /**
     * A call of {@link BlobStore#put} that answered.
     *
     * @param key the object's key
     * @param length how many bytes, 0 or more
     * @param outcome the answer
     * @since 0.1
     */
    public record Put(String key, long length, PutOutcome outcome) {}

    /**
     * Makes a store that passes every call on.
     *
     * @param store where to; closed with this one
     */
    public CountingBlobStore(BlobStore store) {
        super(store);
    }

    /**
     * The gets so far, those that failed included.
     *
     * @return in the order in which they began
     */
    public List<Get> gets() {
        return List.copyOf(gets);
    }

    /**
     * The gets of one object so far, those that failed included.
     *
     * @param key the object's key
     * @return in the order in which they began
     */
    public List<Get> gets(String key) {
        return gets.stream().filter(get -> get.key().equals(key)).toList();
    }

    /**
     * The puts that have answered so far.
     *
     * @return in the order in which they answered
     */
    public List<Put> puts() {
        return List.copyOf(puts);
    }

    /**
     * The keys whose deletion has been asked for so far.
     *
     * @return in the order in which the calls began
     */
    public List<String> deletes() {
        return List.copyOf(deletes);
    }

    /**
     * How many gets were under way at the same time.
     *
     * @return the most so far
     */
    public int maxGetsInFlight() {
        return maxGetsInFlight.get();
    }

    /** Forgets everything so far. Not to be called while calls are under way. */
    public void reset() {
        gets.clear();
        puts.clear();
        deletes.clear();
        maxGetsInFlight.set(0);
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        PutOutcome outcome = super.put(key, content);
        puts.add(new Put(key, content.length(), outcome));
        return outcome;
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        gets.add(new Get(key, offset, target.remaining()));
        maxGetsInFlight.accumulateAndGet(getsInFlight.incrementAndGet(), Math::max);
        try {
            super.get(key, offset, target);
        } finally {
            getsInFlight.decrementAndGet();
        }
    }

    @Override
    public void delete(String key) {
        deletes.add(key);
        super.delete(key);
    }
}
