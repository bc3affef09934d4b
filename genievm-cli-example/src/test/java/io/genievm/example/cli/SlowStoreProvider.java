package io.genievm.example.cli;

import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.testkit.ForwardingBlobStore;
import java.nio.ByteBuffer;
import java.util.ServiceLoader;
import java.util.Set;

/** A folder, {@code slowly:DIR}, out of which each piece of a pack takes its time, which standard error is told. */
public final class SlowStoreProvider implements BlobStoreProvider {
    private static final long MILLIS = 1500;

    @Override
    public String name() {
        return "slowly";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("slowly");
    }

    @Override
    public BlobStore open(BlobStoreConfig config) {
        BlobStoreConfig folder = BlobStoreConfig.of(config.rest());
        return ServiceLoader.load(BlobStoreProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.name().equals("local"))
                .map(provider -> new Slow(provider.open(folder)))
                .findFirst()
                .orElseThrow();
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        throw new UnsupportedOperationException();
    }

    private static final class Slow extends ForwardingBlobStore {
        Slow(BlobStore store) {
            super(store);
        }

        @Override
        public void get(String key, long offset, ByteBuffer target) {
            if (key.startsWith("packs/")) {
                System.err.println("slowly getting " + key);
                try {
                    Thread.sleep(MILLIS);
                } catch (InterruptedException e) {
                    throw new IllegalStateException("nobody is to be interrupted", e);
                }
            }
            super.get(key, offset, target);
        }
    }
}
