package io.genievm.testkit;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Provides {@link InMemoryBlobStore}s at addresses such as {@code memory:a}. Each provider has places of its own, so it
 * is handed to whoever needs it and not registered for {@link java.util.ServiceLoader}.
 *
 * @since 0.1
 */
public final class InMemoryBlobStoreProvider implements BlobStoreProvider {
    private final Map<String, InMemoryBlobStore> places = new ConcurrentHashMap<>();

    /** Makes a provider without places. */
    public InMemoryBlobStoreProvider() {}

    @Override
    public String name() {
        return "memory";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("memory");
    }

    @Override
    public BlobStore open(BlobStoreConfig config) {
        requireNoOptions(config);
        InMemoryBlobStore place = places.get(config.rest());
        if (place == null) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND, Resource.named(config.address()), "there is no " + config.address());
        }
        return place.reopen();
    }

    @Override
    public BlobStore create(BlobStoreConfig config) {
        requireNoOptions(config);
        InMemoryBlobStore place = places.computeIfAbsent(config.rest(), rest -> new InMemoryBlobStore());
        try (BlobCursor objects = place.list("")) {
            if (objects.next()) {
                throw new GenieVmException(
                        ErrorCode.ALREADY_EXISTS, Resource.named(config.address()), config.address() + " is not empty");
            }
        }
        return place.reopen();
    }

    private static void requireNoOptions(BlobStoreConfig config) {
        if (!config.options().isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(config.address()),
                    "a store in memory has no options; remove "
                            + config.options().keySet());
        }
    }
}
