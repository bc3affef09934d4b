package io.genievm.storage.internal.local;

import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.testkit.BlobStoreContract;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

class LocalBlobStoreContractTest extends BlobStoreContract {
    @TempDir
    private Path directory;

    @Override
    protected BlobStoreProvider provider() {
        return new LocalBlobStoreProvider();
    }

    @Override
    protected BlobStoreConfig emptyPlace() {
        return BlobStoreConfig.of(directory.resolve("place").toString());
    }
}
