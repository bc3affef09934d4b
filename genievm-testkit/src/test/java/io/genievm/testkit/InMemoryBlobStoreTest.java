package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.genievm.api.ErrorCode;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStoreConfig;
import org.junit.jupiter.api.Test;

class InMemoryBlobStoreTest {
    private final InMemoryBlobStore store = new InMemoryBlobStore();

    @Test
    void objectsOutliveTheStoreThatPutThem() {
        store.put("a", BlobContent.of(new byte[] {1, 2}));
        InMemoryBlobStore other = store.reopen();

        store.close();

        assertThat(other.getAll("a", 2)).containsExactly(1, 2);
    }

    @Test
    void flipsOneBit() {
        store.put("a", BlobContent.of(new byte[] {0, 0, 0}));

        store.flip("a", 1, 3);

        assertThat(store.getAll("a", 3)).containsExactly(0, 8, 0);
        for (long offset : new long[] {-1, 3}) {
            assertThatThrownBy(() -> store.flip("a", offset, 0)).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> store.flip("b", 0, 0)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aPlaceThatWasNotCreatedIsNotFound() {
        InMemoryBlobStoreProvider provider = new InMemoryBlobStoreProvider();

        Failures.assertFails(ErrorCode.NOT_FOUND, () -> provider.open(BlobStoreConfig.of("memory:a")));
    }
}
