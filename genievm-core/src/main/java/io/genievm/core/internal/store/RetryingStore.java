package io.genievm.core.internal.store;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.internal.format.ObjectKeys;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tries calls of a store again that failed in a way that often passes, and is the one place that does. What a second attempt
 * finds of the first one's effect is told as the call's own: an object of the same bytes was put, a listing goes on where it
 * broke off. The put that makes a point is never repeated (rule 6 of {@code docs/format/protocol.md}), nor are those of
 * collectors, who have rules of their own. Answers that no store may give are refused as far as they can be known.
 *
 * <p>Does not own the store unless it is closed. Safe for use by several threads.
 */
public final class RetryingStore implements BlobStore {
    private static final Logger LOG = LoggerFactory.getLogger(RetryingStore.class);

    private final BlobStore store;
    private final RetryBudget budget;
    private final Waiter waiter;
    private final RetryListener listener;

    /**
     * Makes a store.
     *
     * @param store the store, closed with this one
     * @param budget how long all calls together may wait; shared by all that stand before one store
     * @param waiter waits
     * @param listener is told
     */
    public RetryingStore(BlobStore store, RetryBudget budget, Waiter waiter, RetryListener listener) {
        this.store = store;
        this.budget = budget;
        this.waiter = waiter;
        this.listener = listener;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        if (isPutOnce(key, content)) {
            return store.put(key, content);
        }
        Attempts attempts = new Attempts();
        while (true) {
            try {
                PutOutcome outcome = store.put(key, content);
                budget.earn();
                return outcome == PutOutcome.EXISTS && attempts.failures > 0 && isThere(key, content)
                        ? PutOutcome.CREATED
                        : outcome;
            } catch (GenieVmException e) {
                if (!attempts.mayRepeat(e)) {
                    throw attempts.failures == 0 ? e : new UncertainPutException(e, attempts.message(e));
                }
            }
        }
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        int start = target.position();
        int limit = target.limit();
        call(() -> {
            target.limit(limit).position(start);
            store.get(key, offset, target);
            if (target.hasRemaining()) {
                throw broken(
                        key, "gave " + (target.position() - start) + " of " + (limit - start) + " bytes of " + key);
            }
            return key;
        });
    }

    @Override
    public BlobCursor list(String prefix) {
        return new Listing(prefix);
    }

    @Override
    public void delete(String key) {
        call(() -> {
            store.delete(key);
            return key;
        });
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        return call(() -> store.stat(key));
    }

    @Override
    public Duration listingLag() {
        return store.listingLag();
    }

    @Override
    public void close() {
        store.close();
    }

    /** A manifest, of which fences are told by their length, and what collectors put. */
    private static boolean isPutOnce(String key, BlobContent content) {
        return key.startsWith(ObjectKeys.POINTS) && content.length() > 0 || key.startsWith(ObjectKeys.COLLECTIONS);
    }

    /** Whether an object is there that has these bytes: then it is what an earlier attempt has put. */
    private boolean isThere(String key, BlobContent content) {
        if (stat(key).map(BlobEntry::length).orElse(-1L) != content.length()) {
            return false;
        }
        ContentComparison comparison = new ContentComparison(this, key);
        try {
            content.writeTo(comparison);
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR, Resource.named(key), "can not read the content of " + key + ": " + e, e);
        }
        return comparison.isEqual();
    }

    private <T> T call(Supplier<T> attempt) {
        Attempts attempts = new Attempts();
        while (true) {
            try {
                T answer = attempt.get();
                budget.earn();
                return answer;
            } catch (GenieVmException e) {
                if (!attempts.mayRepeat(e)) {
                    throw attempts.asFailure(e);
                }
            }
        }
    }

    private static GenieVmException broken(String key, String what) {
        return new GenieVmException(ErrorCode.STORE_CONTRACT_BROKEN, Resource.named(key), "the store " + what);
    }

    /** The attempts at one call. */
    private final class Attempts {
        private final Waiter ofCall = waiter.forCall();
        private int failures;
        private long firstFailure;

        /** Whether the call is to be repeated after a failure; waits before it says so. */
        boolean mayRepeat(GenieVmException failure) {
            if (!failure.isRetryable()) {
                return false;
            }
            if (failures == 0) {
                firstFailure = budget.now();
            }
            long pause = budget.pause(failures + 1);
            if (budget.now() - firstFailure + pause > budget.patience() || !budget.beginWaiting()) {
                return false;
            }
            try {
                LOG.warn("{}; trying again in {} ms", failure.getMessage(), pause / 1_000_000);
                listener.retried(failure, pause);
                if (!ofCall.await(pause)) {
                    return false;
                }
            } finally {
                budget.endWaiting();
            }
            failures++;
            return true;
        }

        GenieVmException asFailure(GenieVmException last) {
            return failures == 0 || !last.isRetryable()
                    ? last
                    : new GenieVmException(last.code(), last.resource(), message(last), last);
        }

        String message(GenieVmException last) {
            return last.getMessage() + " (tried " + (failures + 1) + " times)";
        }
    }

    /** A listing that begins anew when it breaks off, and goes on behind the last key that it has given. */
    private final class Listing implements BlobCursor {
        private final String prefix;
        private @Nullable BlobCursor cursor;
        private String given = "";
        private String previous = "";

        Listing(String prefix) {
            this.prefix = prefix;
            this.cursor = call(() -> store.list(prefix));
        }

        @Override
        public boolean next() {
            Attempts attempts = new Attempts();
            while (true) {
                try {
                    boolean found = advance();
                    budget.earn();
                    return found;
                } catch (GenieVmException e) {
                    close();
                    if (!attempts.mayRepeat(e)) {
                        throw attempts.asFailure(e);
                    }
                }
            }
        }

        private boolean advance() {
            BlobCursor open = cursor;
            if (open == null) {
                open = store.list(prefix);
                cursor = open;
                previous = "";
            }
            while (open.next()) {
                String key = open.entry().key();
                if (!key.startsWith(prefix) || key.compareTo(previous) <= 0) {
                    throw broken(key, "listed " + key + " below '" + prefix + "' behind '" + previous + "'");
                }
                previous = key;
                if (key.compareTo(given) > 0) {
                    given = key;
                    return true;
                }
            }
            return false;
        }

        @Override
        public BlobEntry entry() {
            if (cursor == null) {
                throw new IllegalStateException("the listing has broken off");
            }
            return cursor.entry();
        }

        @Override
        public void close() {
            if (cursor != null) {
                cursor.close();
                cursor = null;
            }
        }
    }
}
