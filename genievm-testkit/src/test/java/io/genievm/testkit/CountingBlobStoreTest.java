package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.ErrorCode;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.fault.FaultyBlobStore;
import io.genievm.testkit.fault.StoreFault;
import java.nio.ByteBuffer;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 1, unit = TimeUnit.MINUTES)
class CountingBlobStoreTest {
    private final InMemoryBlobStore memory = new InMemoryBlobStore();
    private final CountingBlobStore store = new CountingBlobStore(memory);

    @Test
    void remembersCallsWithTheirRanges() {
        store.put("a", BlobContent.of(new byte[10]));
        store.put("a", BlobContent.of(new byte[5]));
        store.get("a", 2, ByteBuffer.allocate(3));
        Failures.assertFails(ErrorCode.NOT_FOUND, () -> store.get("b", 0, ByteBuffer.allocate(1)));
        store.delete("c");

        assertThat(store.puts())
                .containsExactly(
                        new CountingBlobStore.Put("a", 10, PutOutcome.CREATED),
                        new CountingBlobStore.Put("a", 5, PutOutcome.EXISTS));
        assertThat(store.gets())
                .containsExactly(new CountingBlobStore.Get("a", 2, 3), new CountingBlobStore.Get("b", 0, 1));
        assertThat(store.gets("b")).containsExactly(new CountingBlobStore.Get("b", 0, 1));
        assertThat(store.deletes()).containsExactly("c");
        assertThat(store.maxGetsInFlight()).isEqualTo(1);

        store.reset();

        assertThat(store.gets()).isEmpty();
        assertThat(store.puts()).isEmpty();
        assertThat(store.deletes()).isEmpty();
        assertThat(store.maxGetsInFlight()).isZero();
    }

    @Test
    void countsGetsThatAreUnderWayAtOneTime() throws Exception {
        memory.put("a", BlobContent.of(new byte[1]));
        CyclicBarrier allInside = new CyclicBarrier(4);
        FaultyBlobStore faulty = new FaultyBlobStore(memory);
        faulty.script(call -> StoreFault.meanwhile(() -> await(allInside)));
        CountingBlobStore counting = new CountingBlobStore(faulty);

        Race.of(4, runner -> () -> {
            counting.get("a", 0, ByteBuffer.allocate(1));
            return runner;
        });
        assertThat(counting.maxGetsInFlight()).isEqualTo(4);
    }

    private static void await(CyclicBarrier barrier) {
        try {
            barrier.await();
        } catch (InterruptedException | BrokenBarrierException e) {
            throw new AssertionError(e);
        }
    }
}
