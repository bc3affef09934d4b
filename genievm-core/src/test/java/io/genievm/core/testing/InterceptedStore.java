package io.genievm.core.testing;

import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import io.genievm.testkit.InMemoryBlobStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A store in memory that writes down what is asked of it and lets a test step in between. Damaging it goes past both.
 */
public final class InterceptedStore implements BlobStore {
    private final InMemoryBlobStore objects;
    private final List<Operation> log = Collections.synchronizedList(new ArrayList<>());
    private volatile Interceptor interceptor = new Interceptor() {};

    public InterceptedStore() {
        this(new InMemoryBlobStore());
    }

    private InterceptedStore(InMemoryBlobStore objects) {
        this.objects = objects;
    }

    public enum Kind {
        PUT,
        GET,
        LIST,
        DELETE,
        STAT
    }

    /** A call, written down when it begins. */
    public record Operation(Kind kind, String key) {
        @Override
        public String toString() {
            return kind + " " + key;
        }
    }

    /** Carries calls out, or does something else. */
    public interface Interceptor {
        default PutOutcome put(BlobStore store, String key, BlobContent content) {
            return store.put(key, content);
        }

        default void get(BlobStore store, String key, long offset, ByteBuffer target) {
            store.get(key, offset, target);
        }

        default BlobCursor list(BlobStore store, String prefix) {
            return store.list(prefix);
        }

        default void delete(BlobStore store, String key) {
            store.delete(key);
        }

        default Optional<BlobEntry> stat(BlobStore store, String key) {
            return store.stat(key);
        }
    }

    /** The same objects, as another process sees them: without log and interceptor. */
    public BlobStore other() {
        return objects.reopen();
    }

    public void intercept(Interceptor value) {
        interceptor = value;
    }

    public void stopIntercepting() {
        interceptor = new Interceptor() {};
    }

    public List<Operation> log() {
        synchronized (log) {
            return List.copyOf(log);
        }
    }

    /** The keys of one kind of call, in order. */
    public List<String> log(Kind kind) {
        return log().stream()
                .filter(operation -> operation.kind == kind)
                .map(Operation::key)
                .toList();
    }

    public void forgetLog() {
        log.clear();
    }

    /** All keys that begin with something, in order. */
    public List<String> keys(String prefix) {
        List<String> keys = new ArrayList<>();
        try (BlobCursor cursor = objects.list("")) {
            while (cursor.next()) {
                if (cursor.entry().key().startsWith(prefix)) {
                    keys.add(cursor.entry().key());
                }
            }
        }
        return keys;
    }

    public boolean exists(String key) {
        return objects.stat(key).isPresent();
    }

    public byte[] bytes(String key) {
        return objects.getAll(key, Integer.MAX_VALUE);
    }

    /** Everything. */
    public Map<String, byte[]> content() {
        Map<String, byte[]> content = new TreeMap<>();
        keys("").forEach(key -> content.put(key, bytes(key)));
        return content;
    }

    /** Puts an object in place of the one that is there. */
    public void replace(String key, byte[] bytes) {
        objects.delete(key);
        objects.put(key, BlobContent.of(bytes));
    }

    public void remove(String key) {
        objects.delete(key);
    }

    /** Makes the store hold just these. */
    public void reset(Map<String, byte[]> content) {
        keys("").forEach(objects::delete);
        content.forEach(this::replace);
    }

    /** The bytes of content that is about to be put. */
    public static byte[] bytesOf(BlobContent content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try {
            content.writeTo(Channels.newChannel(bytes));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        log.add(new Operation(Kind.PUT, key));
        return interceptor.put(objects, key, content);
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        log.add(new Operation(Kind.GET, key));
        interceptor.get(objects, key, offset, target);
    }

    @Override
    public BlobCursor list(String prefix) {
        log.add(new Operation(Kind.LIST, prefix));
        return interceptor.list(objects, prefix);
    }

    @Override
    public void delete(String key) {
        log.add(new Operation(Kind.DELETE, key));
        interceptor.delete(objects, key);
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        log.add(new Operation(Kind.STAT, key));
        return interceptor.stat(objects, key);
    }

    /** The objects stay for whoever opens them next. */
    @Override
    public void close() {}
}
