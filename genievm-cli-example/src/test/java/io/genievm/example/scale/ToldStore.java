package io.genievm.example.scale;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.ForwardingBlobStore;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * The local store, {@code told:DIR}, of which each call is told before it begins and after its answer, and takes its time:
 * before it, in the midst of a put, and before the answer.
 */
final class ToldStore extends ForwardingBlobStore {
    private final Consumer<String> listener;
    private final long nanos;

    private ToldStore(BlobStore store, Consumer<String> listener, long nanos) {
        super(store);
        this.listener = listener;
        this.nanos = nanos;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        return told("put", key, () -> super.put(key, new SlowContent(content)));
    }

    @Override
    public void delete(String key) {
        told("delete", key, () -> {
            super.delete(key);
            return true;
        });
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        told("get", key, () -> {
            super.get(key, offset, target);
            return true;
        });
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        return told("stat", key, () -> super.stat(key));
    }

    @Override
    public BlobCursor list(String prefix) {
        return told("list", prefix, () -> super.list(prefix));
    }

    private <T> T told(String call, String key, Supplier<T> effect) {
        String what = call + " " + key.substring(0, key.indexOf('/') + 1);
        listener.accept("> " + what);
        LockSupport.parkNanos(nanos);
        T answer = effect.get();
        LockSupport.parkNanos(nanos);
        listener.accept("< " + what);
        return answer;
    }

    /** All of it is written, and has no name yet. */
    private final class SlowContent implements BlobContent {
        private final BlobContent content;

        SlowContent(BlobContent content) {
            this.content = content;
        }

        @Override
        public long length() {
            return content.length();
        }

        @Override
        public InputStream open() throws IOException {
            return content.open();
        }

        @Override
        public void writeTo(WritableByteChannel channel) throws IOException {
            content.writeTo(channel);
            LockSupport.parkNanos(nanos);
        }
    }

    /** Opens it. */
    record Provider(Consumer<String> listener, long nanos) implements BlobStoreProvider {
        @Override
        public String name() {
            return "told";
        }

        @Override
        public Set<String> schemes() {
            return Set.of("told");
        }

        @Override
        public BlobStore open(BlobStoreConfig config) {
            BlobStoreConfig folder = BlobStoreConfig.of(config.rest());
            return ServiceLoader.load(BlobStoreProvider.class).stream()
                    .map(ServiceLoader.Provider::get)
                    .filter(provider -> provider.schemes().contains(folder.scheme()))
                    .map(provider -> new ToldStore(provider.open(folder), listener, nanos))
                    .findFirst()
                    .orElseThrow();
        }

        @Override
        public BlobStore create(BlobStoreConfig config) {
            throw new UnsupportedOperationException("is created by another process");
        }
    }
}
