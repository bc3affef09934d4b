package io.genievm.core.internal.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import io.genievm.testkit.InMemoryBlobStore;
import io.genievm.testkit.fault.FaultScript;
import io.genievm.testkit.fault.FaultyBlobStore;
import io.genievm.testkit.fault.StoreCall.Operation;
import io.genievm.testkit.fault.StoreFault;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is tried again, how often, and what a second attempt makes of the first one's effect. Nobody really sleeps. */
class RetryingStoreTest {
    private static final long PATIENCE = TimeUnit.MINUTES.toNanos(1);
    private static final StoreFault PASSES = StoreFault.refused(ErrorCode.TRANSIENT_IO_ERROR);
    private static final StoreFault LOST = StoreFault.answerLost(ErrorCode.TRANSIENT_IO_ERROR);
    private static final byte[] BYTES = {1, 2, 3, 4};

    private final InMemoryBlobStore objects = new InMemoryBlobStore();
    private final FaultyBlobStore faulty = new FaultyBlobStore(objects);
    private final List<Long> pauses = new ArrayList<>();
    private final List<ErrorCode> told = new ArrayList<>();
    private long now;
    private double chance = 1;
    private boolean wanted = true;
    private final RetryBudget budget = new RetryBudget(PATIENCE, () -> now, () -> chance);
    private final RetryingStore store = new RetryingStore(
            faulty,
            budget,
            nanos -> {
                if (wanted) {
                    pauses.add(nanos);
                    now += nanos;
                }
                return wanted;
            },
            (failure, pause) -> told.add(failure.code()));

    @ParameterizedTest
    @EnumSource(Operation.class)
    @DisplayName("what fails in a way that passes is tried again, and told; what fails for good is not")
    void onlyTransient(Operation operation) {
        objects.put("a", BlobContent.of(BYTES));
        ErrorCode[] codes = {ErrorCode.TRANSIENT_IO_ERROR, ErrorCode.BUSY};
        faulty.script(call -> call.number() < 2 ? StoreFault.refused(codes[call.number()]) : StoreFault.NONE);
        call(operation);
        assertThat(faulty.calls()).isEqualTo(3);
        assertThat(told).containsExactly(codes);
        for (ErrorCode code : List.of(ErrorCode.IO_ERROR, ErrorCode.ACCESS_DENIED, ErrorCode.NO_SPACE)) {
            faulty.script(FaultScript.once(0, StoreFault.refused(code)));
            assertFails(code, () -> call(operation));
            assertThat(faulty.calls()).isEqualTo(1);
        }
    }

    private void call(Operation operation) {
        switch (operation) {
            case PUT -> store.put("packs/b", BlobContent.of(BYTES));
            case GET -> assertThat(get("a")).isEqualTo(BYTES);
            case LIST -> assertThat(list("")).contains("a");
            case DELETE -> store.delete("a");
            case STAT -> assertThat(store.stat("a")).isPresent();
        }
    }

    @Test
    @DisplayName(
            "pauses are doubled up to an eighth of the patience, never more in all than that, and jittered by half")
    void backOff() {
        faulty.script(FaultScript.from(0, PASSES));
        GenieVmException failure = assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.stat("a"));
        assertThat(failure).hasMessageContaining("tried " + faulty.calls() + " times");
        assertThat(pauses.get(0)).isEqualTo(PATIENCE / 512);
        for (int i = 1; i < pauses.size(); i++) {
            assertThat(pauses.get(i)).isEqualTo(Math.min(2 * pauses.get(i - 1), PATIENCE / 8));
        }
        assertThat(pauses).hasSizeGreaterThan(10);
        assertThat(now).isBetween(PATIENCE / 8 * 6, PATIENCE);
        chance = 0;
        assertThat(budget.pause(1)).isEqualTo(PATIENCE / 1024);
        assertThat(budget.pause(100)).isEqualTo(PATIENCE / 16);
    }

    @Test
    @DisplayName("a dead store costs its patience once, not for every call; when it lives again there is time again")
    void budget() {
        faulty.script(FaultScript.from(0, PASSES));
        for (int i = 0; i < 100; i++) {
            assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.stat("a"));
        }
        assertThat(now).isLessThanOrEqualTo(PATIENCE + PATIENCE / 8);
        long before = faulty.calls();
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.stat("a"));
        assertThat(faulty.calls()).isEqualTo(before + 1);

        faulty.script(FaultScript.NONE);
        for (int i = 0; i < 64; i++) {
            store.stat("a");
        }
        faulty.script(FaultScript.once(0, PASSES));
        store.stat("a");
        assertThat(faulty.calls()).isEqualTo(2);
    }

    @Test
    @DisplayName("calls that wait at the same time take from the budget once")
    void budgetOfMany() {
        assertThat(budget.beginWaiting()).isTrue();
        assertThat(budget.beginWaiting()).isTrue();
        now += PATIENCE - 1;
        assertThat(budget.beginWaiting()).isTrue();
        budget.endWaiting();
        now += 1;
        assertThat(budget.beginWaiting()).isFalse();
        budget.endWaiting();
        budget.endWaiting();
        assertThat(budget.beginWaiting()).isFalse();
        budget.earn();
        assertThat(budget.beginWaiting()).isTrue();
    }

    @Test
    @DisplayName("who does not want to wait gets the failure at once")
    void notWanted() {
        wanted = false;
        faulty.script(FaultScript.from(0, PASSES));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.stat("a"));
        assertThat(faulty.calls()).isEqualTo(1);
    }

    @Test
    @DisplayName("an object that a lost attempt has put is the call's own, one of other bytes is not")
    void putTwice() {
        faulty.script(FaultScript.once(0, LOST));
        byte[] large = new byte[200_000];
        large[150_000] = 1;
        assertThat(store.put(
                        "packs/a",
                        BlobContent.of(
                                List.of(ByteBuffer.wrap(large, 0, 70_001), ByteBuffer.wrap(large, 70_001, 129_999)))))
                .isEqualTo(PutOutcome.CREATED);

        byte[] other = large.clone();
        other[199_999] = 1;
        objects.put("packs/b", BlobContent.of(other));
        faulty.script(FaultScript.once(0, PASSES));
        assertThat(store.put("packs/b", BlobContent.of(large))).isEqualTo(PutOutcome.EXISTS);
        objects.put("packs/c", BlobContent.of(new byte[3]));
        faulty.script(FaultScript.once(0, PASSES));
        assertThat(store.put("packs/c", BlobContent.of(BYTES))).isEqualTo(PutOutcome.EXISTS);

        objects.put("packs/d", BlobContent.of(BYTES));
        faulty.script(FaultScript.NONE);
        assertThat(store.put("packs/d", BlobContent.of(BYTES))).isEqualTo(PutOutcome.EXISTS);
    }

    @Test
    @DisplayName("a manifest, a plan and a verdict are put at most once, a fence as often as need be")
    void putOnce() {
        for (String key : List.of("points/v/s", "gc/a.plan", "gc/a.verdict")) {
            faulty.script(FaultScript.once(0, PASSES));
            assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.put(key, BlobContent.of(BYTES)));
            assertThat(faulty.calls()).isEqualTo(1);
        }
        faulty.script(FaultScript.once(0, LOST));
        assertThat(store.put("points/v/f", BlobContent.of(new byte[0]))).isEqualTo(PutOutcome.CREATED);
    }

    @Test
    @DisplayName("a put that is refused at the second attempt may have happened at the first")
    void refusedLater() {
        faulty.script(call -> call.number() == 0 ? LOST : StoreFault.refused(ErrorCode.NO_SPACE));
        GenieVmException later = assertFails(ErrorCode.NO_SPACE, () -> store.put("index/a", BlobContent.of(BYTES)));
        assertThat(PutFailures.isRefusal(later)).isFalse();
        faulty.script(FaultScript.from(0, StoreFault.refused(ErrorCode.NO_SPACE)));
        GenieVmException atOnce = assertFails(ErrorCode.NO_SPACE, () -> store.put("index/b", BlobContent.of(BYTES)));
        assertThat(PutFailures.isRefusal(atOnce)).isTrue();
    }

    @Test
    @DisplayName(
            "a get that broke off in the middle fills the same place again, and one that gives too little is refused")
    void brokenGets() {
        objects.put("a", BlobContent.of(BYTES));
        ByteBuffer target = ByteBuffer.allocate(6).position(1).limit(5);
        faulty.script(FaultScript.once(0, StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR)));
        store.get("a", 0, target);
        assertThat(target.array()).containsExactly(0, 1, 2, 3, 4, 0);
        assertThat(target.position()).isEqualTo(5);
        faulty.script(FaultScript.once(0, StoreFault.TRUNCATED));
        assertFails(ErrorCode.STORE_CONTRACT_BROKEN, () -> get("a"));
    }

    @Test
    @DisplayName("a listing that broke off goes on behind what it has given, whatever came and went meanwhile")
    void brokenListing() {
        for (String key : List.of("p/b", "p/c", "p/d", "p/e")) {
            objects.put(key, BlobContent.of(BYTES));
        }
        faulty.script(FaultScript.once(0, StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR)));
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = store.list("p/")) {
            while (cursor.next()) {
                keys.add(cursor.entry().key());
                if (keys.size() == 1) {
                    objects.put("p/a", BlobContent.of(BYTES));
                    objects.delete("p/b");
                }
            }
        }
        assertThat(keys).containsExactly("p/b", "p/c", "p/d", "p/e");
        faulty.script(FaultScript.from(0, StoreFault.brokenOff(ErrorCode.TRANSIENT_IO_ERROR)));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> list("p/"));
        faulty.script(FaultScript.once(0, StoreFault.brokenOff(ErrorCode.IO_ERROR)));
        assertFails(ErrorCode.IO_ERROR, () -> list("p/"));
    }

    @Test
    @DisplayName("a listing out of order or of something else is refused")
    void wrongListing() {
        for (List<String> keys : List.of(List.of("p/b", "p/a"), List.of("p/a", "p/a"), List.of("q/a"))) {
            RetryingStore broken = new RetryingStore(
                    new ForwardingBlobStore(objects) {
                        @Override
                        public BlobCursor list(String prefix) {
                            return BlobCursor.of(keys.stream()
                                    .map(key -> new BlobEntry(key, 1))
                                    .iterator());
                        }
                    },
                    budget,
                    nanos -> true,
                    (failure, pause) -> {});
            assertFails(ErrorCode.STORE_CONTRACT_BROKEN, () -> list(broken, "p/"));
        }
    }

    private byte[] get(String key) {
        byte[] bytes = new byte[BYTES.length];
        store.get(key, 0, ByteBuffer.wrap(bytes));
        return bytes;
    }

    private List<String> list(String prefix) {
        return list(store, prefix);
    }

    private static List<String> list(RetryingStore store, String prefix) {
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = store.list(prefix)) {
            while (cursor.next()) {
                keys.add(cursor.entry().key());
            }
        }
        return keys;
    }

    private static GenieVmException assertFails(ErrorCode code, ThrowingCallable call) {
        GenieVmException[] failure = new GenieVmException[1];
        assertThatThrownBy(call).isInstanceOfSatisfying(GenieVmException.class, e -> {
            assertThat(e.code()).isEqualTo(code);
            failure[0] = e;
        });
        return failure[0];
    }
}
