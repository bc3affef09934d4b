package io.genievm.benchmarks;

import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import java.util.Set;

/** Gives the one store that it was given, whatever is opened or created. */
record GivenStoreProvider(BlobStore store) implements BlobStoreProvider {
    /** An address that it serves. */
    static final BlobStoreConfig ADDRESS = BlobStoreConfig.of("given:store");

    @Override
    public String name() {
        return "given";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("given");
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
