package io.genievm.core.internal.repository;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One process: a thread that waits before each call of the store until it is told to go on. */
final class Actor implements BlobStore {
    private final BlobStore store;
    private final Semaphore mayGo = new Semaphore(0);
    private final Semaphore waits = new Semaphore(0);
    private final Thread thread;
    private final Consumer<BlobStore> work;
    private final Set<String> listed = ConcurrentHashMap.newKeySet();
    private boolean begun;
    private volatile boolean ended;
    private volatile boolean killed;
    private volatile int calls;
    private volatile String last = "";
    private volatile @Nullable Throwable failure;

    /** Makes one that will do something with a store. */
    Actor(BlobStore store, Consumer<BlobStore> work) {
        this.store = store;
        this.work = work;
        this.thread = new Thread(this::live);
        this.thread.setDaemon(true);
    }

    private void live() {
        try {
            work.accept(this);
        } catch (Throwable e) {
            failure = e;
        }
        ended = true;
        waits.release();
    }

    /** Lets it make some calls; says whether it has come to its end. */
    boolean advance(int count) {
        if (!begun) {
            begun = true;
            thread.start();
            waits.acquireUninterruptibly();
        }
        for (int i = 0; i < count && !ended; i++) {
            mayGo.release();
            waits.acquireUninterruptibly();
        }
        return ended;
    }

    /** No call that it makes from now on happens, unless it has ended. */
    void kill() {
        killed = !ended;
    }

    boolean hasEnded() {
        return ended;
    }

    boolean isDead() {
        return killed;
    }

    /** How many calls it has made. */
    int calls() {
        return calls;
    }

    /** The last call that it has made. */
    String last() {
        return last;
    }

    /** Whether it has listed, or tried to list, just this. */
    boolean hasListed(String prefix) {
        return listed.contains(prefix);
    }

    @Nullable
    Throwable failure() {
        return failure;
    }

    private <T> T call(String what, Supplier<T> effect) {
        waits.release();
        mayGo.acquireUninterruptibly();
        if (killed) {
            throw new IllegalStateException("dead");
        }
        calls++;
        last = what;
        return effect.get();
    }

    @Override
    public PutOutcome put(String name, BlobContent content) {
        return call("put " + name, () -> store.put(name, content));
    }

    @Override
    public void get(String name, long offset, ByteBuffer target) {
        call("get " + name, () -> {
            store.get(name, offset, target);
            return "";
        });
    }

    @Override
    public BlobCursor list(String prefix) {
        listed.add(prefix);
        return call("list " + prefix, () -> {
            List<BlobEntry> entries = new ArrayList<>();
            try (BlobCursor cursor = store.list(prefix)) {
                while (cursor.next()) {
                    entries.add(cursor.entry());
                }
            }
            return BlobCursor.of(entries.iterator());
        });
    }

    @Override
    public void delete(String name) {
        call("delete " + name, () -> {
            store.delete(name);
            return "";
        });
    }

    @Override
    public Optional<BlobEntry> stat(String name) {
        return call("stat " + name, () -> store.stat(name));
    }

    @Override
    public void close() {}
}
