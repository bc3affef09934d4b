package io.genievm.core.testing;

import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import java.util.Set;

/**
 * A kind of store of which there is one.
 *
 * @param name its name and scheme
 * @param store what is opened and created
 */
public record OneStore(String name, BlobStore store) implements BlobStoreProvider {
    @Override
    public Set<String> schemes() {
        return Set.of(name);
    }

    @Override
    public BlobStore open(BlobStoreConfig config) {
        return store;
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        return store;
    }
}
