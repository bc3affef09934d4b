package io.genievm.testkit;

import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import java.util.Optional;

// guide: contract
class InMemoryBlobStoreContractTest extends BlobStoreContract {
    private final BlobStoreProvider provider = new InMemoryBlobStoreProvider();

    @Override
    protected BlobStoreProvider provider() {
        return provider;
    }

    @Override
    protected BlobStoreConfig emptyPlace() {
        return BlobStoreConfig.of("memory:place");
    }

    @Override
    protected Optional<Class<? extends BlobStoreProvider>> providerOfAnotherProcess() {
        return Optional.empty();
    }
}
// guide: end
