package io.genievm.example.cli;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import java.nio.ByteBuffer;
import java.util.ServiceLoader;
import java.util.Set;

/**
 * A folder, {@code slowly:DIR}, of which some calls take their time, which standard error is told: {@code get packs/}
 * unless it is {@code slowly:CALL=PREFIX=DIR}.
 */
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
        String[] words = config.rest().split("=");
        BlobStoreConfig folder = BlobStoreConfig.of(words[words.length - 1]);
        String slow = words.length == 3 ? words[0] + " " + words[1] : "get packs/";
        return ServiceLoader.load(BlobStoreProvider.class).stream()
                .map(ServiceLoader.Provider::get)
                .filter(provider -> provider.name().equals("local"))
                .map(provider -> new Slow(provider.open(folder), slow))
                .findFirst()
                .orElseThrow();
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        throw new UnsupportedOperationException();
    }

    private static final class Slow extends ForwardingBlobStore {
        private final String slow;

        Slow(BlobStore store, String slow) {
            super(store);
            this.slow = slow;
        }

        @Override
        public PutOutcome put(String key, BlobContent content) {
            pass("put " + key);
            return super.put(key, content);
        }

        @Override
        public void get(String key, long offset, ByteBuffer target) {
            pass("get " + key);
            super.get(key, offset, target);
        }

        @Override
        public BlobCursor list(String prefix) {
            pass("list " + prefix);
            return super.list(prefix);
        }

        @Override
        public void delete(String key) {
            pass("delete " + key);
            super.delete(key);
        }

        private void pass(String call) {
            if (call.startsWith(slow)) {
                System.err.println("slowly: " + call);
                try {
                    Thread.sleep(MILLIS);
                } catch (InterruptedException e) {
                    throw new IllegalStateException("nobody is to be interrupted", e);
                }
            }
        }
    }
}
