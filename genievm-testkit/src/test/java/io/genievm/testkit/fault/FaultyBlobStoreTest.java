package io.genievm.testkit.fault;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.InMemoryBlobStore;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class FaultyBlobStoreTest {
    private static final byte[] BYTES = {1, 2, 3, 4, 5, 6};

    private final InMemoryBlobStore objects = new InMemoryBlobStore();
    private final FaultyBlobStore store = new FaultyBlobStore(objects);

    @Test
    void passesCallsOnAndCountsThem() {
        assertThat(store.put("a/b", BlobContent.of(BYTES))).isEqualTo(PutOutcome.CREATED);
        assertThat(store.getAll("a/b", 10)).isEqualTo(BYTES);
        assertThat(list(store.list("a/"))).containsExactly("a/b");
        store.delete("a/b");
        assertThat(store.stat("a/b")).isEmpty();

        assertThat(store.calls()).isEqualTo(6);
        assertThat(store.injected()).isEmpty();
    }

    @Test
    void refusedCallsHaveNoEffect() {
        objects.put("a", BlobContent.of(BYTES));
        store.script(call -> StoreFault.refused(ErrorCode.TRANSIENT_IO_ERROR));

        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.put("b", BlobContent.of(BYTES)));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.get("a", 0, ByteBuffer.allocate(1)));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.list(""));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.delete("a"));
        assertFails(ErrorCode.TRANSIENT_IO_ERROR, () -> store.stat("a"));

        assertThat(list(objects.list(""))).containsExactly("a");
    }

    @Test
    void callsWhoseAnswerIsLostHaveTheirEffect() {
        store.script(call -> StoreFault.answerLost(ErrorCode.IO_ERROR));

        assertFails(ErrorCode.IO_ERROR, () -> store.put("b", BlobContent.of(BYTES)));
        assertThat(objects.getAll("b", 10)).isEqualTo(BYTES);
        assertFails(ErrorCode.IO_ERROR, () -> store.delete("b"));
        assertThat(objects.stat("b")).isEmpty();
    }

    @Test
    void callsBreakOffInTheMiddle() {
        objects.put("a", BlobContent.of(BYTES));
        objects.put("b", BlobContent.of(BYTES));
        store.script(call -> StoreFault.brokenOff(ErrorCode.NO_SPACE));
        ByteArrayInputStream bytes = new ByteArrayInputStream(BYTES);

        assertFails(
                ErrorCode.NO_SPACE,
                () -> store.put("c", new BlobContent() {
                    @Override
                    public long length() {
                        return BYTES.length;
                    }

                    @Override
                    public InputStream open() {
                        return bytes;
                    }

                    @Override
                    public void writeTo(WritableByteChannel channel) {
                        throw new AssertionError("nothing is written");
                    }
                }));
        assertThat(bytes.available()).isEqualTo(3);
        assertThat(objects.stat("c")).isEmpty();
        ByteBuffer target = ByteBuffer.allocate(6);
        assertFails(ErrorCode.NO_SPACE, () -> store.get("a", 0, target));
        assertThat(target.position()).isEqualTo(3);
        try (BlobCursor cursor = store.list("")) {
            assertThat(cursor.next()).isTrue();
            assertThat(cursor.entry().key()).isEqualTo("a");
            assertFails(ErrorCode.NO_SPACE, cursor::next);
        }
    }

    @Test
    void answersAreTruncatedOrWrongWithoutAWord() {
        objects.put("a", BlobContent.of(BYTES));
        objects.put("b", BlobContent.of(BYTES));
        store.script(call -> StoreFault.TRUNCATED);
        ByteBuffer half = ByteBuffer.allocate(6);
        store.get("a", 0, half);
        assertThat(half.remaining()).isEqualTo(3);
        assertThat(list(store.list(""))).containsExactly("a");
        store.script(call -> StoreFault.EMPTY);
        assertThat(list(store.list(""))).isEmpty();
        store.script(call -> StoreFault.flipped(9));
        assertThat(store.getAll("a", 10)).containsExactly(1, 0, 3, 4, 5, 6);
    }

    @Test
    void somethingHappensFirst() {
        List<String> happened = new ArrayList<>();
        store.script(FaultScript.once(1, StoreFault.meanwhile(() -> happened.add("now"))));
        store.stat("a");
        assertThat(happened).isEmpty();
        store.stat("a");
        store.stat("a");
        assertThat(happened).hasSize(1);

        long start = System.nanoTime();
        store.script(FaultScript.once(0, StoreFault.slow(Duration.ofMillis(20))));
        store.stat("a");
        assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(20_000_000);
    }

    @Test
    void scriptsChooseCalls() {
        StoreFault fault = StoreFault.refused(ErrorCode.IO_ERROR);
        assertThat(faults(FaultScript.once(1, fault), 4)).containsExactly(1);
        assertThat(faults(FaultScript.from(2, fault), 4)).containsExactly(2, 3);
        assertThat(faults(FaultScript.of(Map.of(0, fault, 3, fault)), 4)).containsExactly(0, 3);
        assertThat(faults(FaultScript.every(call -> call.number() % 2 == 0, fault), 4))
                .containsExactly(0, 2);
        assertThat(faults(FaultScript.dying(call -> call.number() == 1, false), 4))
                .containsExactly(1, 2, 3);
    }

    @Test
    void theDeadHaveNoEffectAnyMore() {
        store.script(FaultScript.dying(call -> call.isPut("b"), true));
        store.put("a", BlobContent.of(BYTES));
        assertFails(ErrorCode.IO_ERROR, () -> store.put("b", BlobContent.of(BYTES)));
        assertFails(ErrorCode.IO_ERROR, () -> store.delete("a"));
        assertThat(list(objects.list(""))).containsExactly("a", "b");
    }

    @Test
    void theSameSeedGivesTheSameFaults() {
        List<StoreFault> kinds =
                List.of(StoreFault.refused(ErrorCode.IO_ERROR), StoreFault.answerLost(ErrorCode.NO_SPACE));
        List<Integer> once = faults(FaultScript.seeded(7, 10, kinds), 1000);
        assertThat(faults(FaultScript.seeded(7, 10, kinds), 1000)).isEqualTo(once);
        assertThat(faults(FaultScript.seeded(8, 10, kinds), 1000)).isNotEqualTo(once);
        assertThat(once).hasSizeBetween(60, 140);
        assertThat(store.injected()).extracting(FaultyBlobStore.Injected::fault).contains(kinds.get(0), kinds.get(1));
    }

    @Test
    void tellsHowToHaveTheSameAgain() {
        store.script(call -> call.isPut("b") ? StoreFault.brokenOff(ErrorCode.NO_SPACE) : StoreFault.NONE);
        store.stat("a");
        assertFails(ErrorCode.NO_SPACE, () -> store.put("b", BlobContent.of(BYTES)));
        assertThat(store.toString())
                .contains("1 of 2 calls")
                .contains("call 1, PUT 'b'")
                .contains("FaultScript.of(Map.of(1, StoreFault.brokenOff(ErrorCode.NO_SPACE)))");

        store.script(FaultScript.seeded(5, 2, List.of(StoreFault.EMPTY, StoreFault.flipped(3))));
        assertThat(store.toString())
                .contains("FaultScript.seeded(5L, 2, List.of(StoreFault.EMPTY, StoreFault.flipped(3L)))");
    }

    @Test
    void anImpossibleChanceIsRefused() {
        assertThatThrownBy(() -> FaultScript.seeded(1, 0, List.of(StoreFault.EMPTY)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> FaultScript.seeded(1, 1, List.of())).isInstanceOf(IllegalArgumentException.class);
    }

    /** The numbers of those of the first calls that go wrong. */
    private List<Integer> faults(FaultScript script, int calls) {
        store.script(script);
        List<Integer> numbers = new ArrayList<>();
        for (int i = 0; i < calls; i++) {
            try {
                store.stat("a");
            } catch (GenieVmException e) {
                numbers.add(i);
            }
        }
        return numbers;
    }

    private static List<String> list(BlobCursor cursor) {
        List<String> keys = new ArrayList<>();
        try (cursor) {
            while (cursor.next()) {
                keys.add(cursor.entry().key());
            }
        }
        return keys;
    }

    private static void assertFails(ErrorCode code, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        GenieVmException.class, e -> assertThat(e.code()).isEqualTo(code));
    }
}
