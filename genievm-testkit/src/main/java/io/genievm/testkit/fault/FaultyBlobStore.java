package io.genievm.testkit.fault;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * Lets calls of another store go wrong, as a {@link FaultScript} has it: late, not at all, without an answer, in the middle,
 * or with a wrong answer. {@link #toString} tells what went wrong, and how to have the same again: tests put it into the
 * message of what fails.
 *
 * <p>Safe for use by several threads. Calls are numbered in the order in which they begin, so a test that is to be repeated
 * to the letter uses one thread. {@link #listingLag()} and {@link #close()} are never touched.
 *
 * @since 0.1
 */
public final class FaultyBlobStore extends ForwardingBlobStore {
    private static final int TOLD = 100;

    private final Object lock = new Object();
    private final List<Injected> injected = new ArrayList<>();
    private FaultScript script = FaultScript.NONE;
    private int calls;

    /**
     * A call that went wrong.
     *
     * @param call the call
     * @param fault how
     * @since 0.1
     */
    public record Injected(StoreCall call, StoreFault fault) {
        @Override
        public String toString() {
            return call + ": " + fault;
        }
    }

    /**
     * Makes a store of which nothing goes wrong yet.
     *
     * @param store where calls go; closed with this one
     */
    public FaultyBlobStore(BlobStore store) {
        super(store);
    }

    /**
     * Sets what goes wrong from the next call on, which gets the number 0; what went wrong before is forgotten.
     *
     * @param value the script; {@link FaultScript#NONE} for nothing
     */
    public void script(FaultScript value) {
        synchronized (lock) {
            script = value;
            calls = 0;
            injected.clear();
        }
    }

    /**
     * Counts the calls since the script was set.
     *
     * @return how many have begun
     */
    public int calls() {
        synchronized (lock) {
            return calls;
        }
    }

    /**
     * Tells what went wrong since the script was set.
     *
     * @return the calls in the order of their numbers, possibly none
     */
    public List<Injected> injected() {
        synchronized (lock) {
            return List.copyOf(injected);
        }
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        StoreFault fault = begin(StoreCall.Operation.PUT, key);
        if (fault.kind == StoreFault.Kind.BROKEN_OFF) {
            takeHalf(content);
            throw failure(fault, "put", key);
        }
        return call(fault, "put", key, () -> super.put(key, content));
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        StoreFault fault = begin(StoreCall.Operation.GET, key);
        switch (fault.kind) {
            case BROKEN_OFF -> {
                getHalf(key, offset, target);
                throw failure(fault, "get", key);
            }
            case TRUNCATED -> getHalf(key, offset, target);
            case FLIPPED -> {
                int start = target.position();
                super.get(key, offset, target);
                flip(target, start, fault.number);
            }
            default ->
                call(fault, "get", key, () -> {
                    super.get(key, offset, target);
                    return key;
                });
        }
    }

    @Override
    public BlobCursor list(String prefix) {
        StoreFault fault = begin(StoreCall.Operation.LIST, prefix);
        return switch (fault.kind) {
            case BROKEN_OFF, TRUNCATED, EMPTY -> {
                List<BlobEntry> entries = new ArrayList<>();
                try (BlobCursor cursor = super.list(prefix)) {
                    while (cursor.next()) {
                        entries.add(cursor.entry());
                    }
                }
                int kept = fault.kind == StoreFault.Kind.EMPTY ? 0 : entries.size() / 2;
                BlobCursor part = BlobCursor.of(entries.subList(0, kept).iterator());
                yield fault.kind == StoreFault.Kind.BROKEN_OFF
                        ? new BrokenCursor(part, failure(fault, "list", prefix))
                        : part;
            }
            default -> call(fault, "list", prefix, () -> super.list(prefix));
        };
    }

    @Override
    public void delete(String key) {
        call(begin(StoreCall.Operation.DELETE, key), "delete", key, () -> {
            super.delete(key);
            return key;
        });
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        return call(begin(StoreCall.Operation.STAT, key), "stat", key, () -> super.stat(key));
    }

    /** What went wrong since the script was set, and the script; where that can not be written down, one that does the same. */
    @Override
    public String toString() {
        synchronized (lock) {
            String told =
                    injected.stream().limit(TOLD).map(each -> "\n  " + each).collect(Collectors.joining());
            String again = script instanceof Described
                    ? script.toString()
                    : "FaultScript.of(Map.of("
                            + injected.stream()
                                    .limit(TOLD)
                                    .map(each -> each.call().number() + ", " + each.fault())
                                    .collect(Collectors.joining(", "))
                            + "))";
            return injected.size() + " of " + calls + " calls of the store went wrong:" + told
                    + (injected.size() > TOLD ? "\n  ..." : "") + "\nthe same again: " + again;
        }
    }

    private StoreFault begin(StoreCall.Operation operation, String key) {
        StoreFault fault;
        synchronized (lock) {
            StoreCall call = new StoreCall(calls++, operation, key);
            fault = script.faultAt(call);
            if (!fault.equals(StoreFault.NONE)) {
                injected.add(new Injected(call, fault));
            }
        }
        if (fault.kind == StoreFault.Kind.SLOW) {
            pause(fault.number);
        }
        if (fault.action != null) {
            fault.action.run();
        }
        return fault;
    }

    private static void pause(long nanos) {
        long end = System.nanoTime() + nanos;
        for (long rest = nanos; rest > 0 && !Thread.currentThread().isInterrupted(); rest = end - System.nanoTime()) {
            LockSupport.parkNanos(rest);
        }
    }

    private static <T> T call(StoreFault fault, String operation, String key, Supplier<T> effect) {
        if (fault.kind == StoreFault.Kind.REFUSED || fault.kind == StoreFault.Kind.BROKEN_OFF) {
            throw failure(fault, operation, key);
        }
        T answer = effect.get();
        if (fault.kind == StoreFault.Kind.ANSWER_LOST) {
            if (answer instanceof BlobCursor cursor) {
                cursor.close();
            }
            throw failure(fault, operation, key);
        }
        return answer;
    }

    private static GenieVmException failure(StoreFault fault, String operation, String key) {
        ErrorCode code = Objects.requireNonNull(fault.code);
        return new GenieVmException(
                code, Resource.named(key), operation + " of '" + key + "' was made to fail with " + code);
    }

    private static void takeHalf(BlobContent content) {
        try (InputStream bytes = content.open()) {
            bytes.readNBytes((int) (content.length() / 2));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void getHalf(String key, long offset, ByteBuffer target) {
        int limit = target.limit();
        target.limit(target.position() + target.remaining() / 2);
        super.get(key, offset, target);
        target.limit(limit);
    }

    private static void flip(ByteBuffer target, int start, long bit) {
        int length = target.position() - start;
        if (length > 0) {
            int at = (int) Long.remainderUnsigned(bit, 8L * length);
            target.put(start + at / 8, (byte) (target.get(start + at / 8) ^ 1 << at % 8));
        }
    }

    /** A listing that fails where it should go on. */
    private record BrokenCursor(BlobCursor cursor, GenieVmException failure) implements BlobCursor {
        @Override
        public boolean next() {
            if (cursor.next()) {
                return true;
            }
            throw failure;
        }

        @Override
        public BlobEntry entry() {
            return cursor.entry();
        }

        @Override
        public void close() {
            cursor.close();
        }
    }
}
