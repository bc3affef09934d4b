package io.genievm.core.testing;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;

/** Counts the calls of a store and lets one of them go wrong. */
public final class FaultyCall implements InterceptedStore.Interceptor {
    /** What a call does that goes wrong. */
    public enum Fault {
        /** It fails without effect, once. */
        REFUSED,
        /** It has its effect and then fails, once. */
        ANSWER_LOST,
        /** It fails without effect, and so does everything after it. */
        DEAD,
        /** It has its effect and fails, and everything after it fails without effect. */
        DEAD_AFTER
    }

    private final int faulty;
    private final Fault fault;
    private int calls;
    private String where = "not reached";

    /** Lets the call of a number go wrong, from 0; none where that is negative. */
    public FaultyCall(int faulty, Fault fault) {
        this.faulty = faulty;
        this.fault = fault;
    }

    /** How many calls there were. */
    public synchronized int calls() {
        return calls;
    }

    /** The call that went wrong. */
    public synchronized String where() {
        return where;
    }

    private synchronized <T> T call(String what, Supplier<T> effect) {
        int number = calls++;
        if (number < faulty || faulty < 0) {
            return effect.get();
        }
        boolean dead = fault == Fault.DEAD || fault == Fault.DEAD_AFTER;
        if (number > faulty && !dead) {
            return effect.get();
        }
        if (number == faulty) {
            where = what;
            if (fault == Fault.ANSWER_LOST || fault == Fault.DEAD_AFTER) {
                Object unused = effect.get();
            }
        }
        throw new GenieVmException(ErrorCode.TRANSIENT_IO_ERROR, what + " failed");
    }

    @Override
    public PutOutcome put(BlobStore objects, String key, BlobContent content) {
        return call("put " + key, () -> objects.put(key, content));
    }

    @Override
    public void get(BlobStore objects, String key, long offset, ByteBuffer target) {
        call("get " + key, () -> {
            objects.get(key, offset, target);
            return "";
        });
    }

    @Override
    public BlobCursor list(BlobStore objects, String prefix) {
        return call("list " + prefix, () -> {
            Map<String, BlobEntry> entries = new TreeMap<>();
            try (BlobCursor cursor = objects.list(prefix)) {
                while (cursor.next()) {
                    entries.put(cursor.entry().key(), cursor.entry());
                }
            }
            return BlobCursor.of(entries.values().iterator());
        });
    }

    @Override
    public void delete(BlobStore objects, String key) {
        call("delete " + key, () -> {
            objects.delete(key);
            return "";
        });
    }

    @Override
    public Optional<BlobEntry> stat(BlobStore objects, String key) {
        return call("stat " + key, () -> objects.stat(key));
    }
}
