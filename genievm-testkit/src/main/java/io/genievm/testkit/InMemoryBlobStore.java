package io.genievm.testkit;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobKeys;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.util.Iterator;
import java.util.Optional;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.jspecify.annotations.Nullable;

/**
 * A store that keeps its objects on the heap and every rule of the contract. Its objects live as long as any store over
 * them, open or closed.
 *
 * @since 0.1
 */
public final class InMemoryBlobStore implements BlobStore {
    private final ConcurrentNavigableMap<String, byte[]> objects;
    private volatile boolean closed;

    /** Opens an empty store. */
    public InMemoryBlobStore() {
        this(new ConcurrentSkipListMap<>());
    }

    private InMemoryBlobStore(ConcurrentNavigableMap<String, byte[]> objects) {
        this.objects = objects;
    }

    /**
     * Opens the same objects once more, as another process would.
     *
     * @return an open store
     */
    public InMemoryBlobStore reopen() {
        return new InMemoryBlobStore(objects);
    }

    /**
     * Flips one bit of an object, as a bad disk does.
     *
     * @param key the object's key
     * @param offset the byte
     * @param bit which bit of it, 0 to 7
     * @throws IllegalArgumentException when there is no such byte
     */
    public void flip(String key, long offset, int bit) {
        boolean[] done = new boolean[1];
        objects.computeIfPresent(key, (k, bytes) -> {
            if (offset < 0 || offset >= bytes.length || bit < 0 || bit > 7) {
                return bytes;
            }
            byte[] damaged = bytes.clone();
            damaged[(int) offset] ^= (byte) (1 << bit);
            done[0] = true;
            return damaged;
        });
        if (!done[0]) {
            throw new IllegalArgumentException("no bit " + bit + " of byte " + offset + " of " + key);
        }
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        BlobKeys.requireKey(key);
        requireOpen();
        byte[] bytes = bytes(key, content);
        requireOpen();
        return objects.putIfAbsent(key, bytes) == null ? PutOutcome.CREATED : PutOutcome.EXISTS;
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        BlobKeys.requireKey(key);
        if (offset < 0) {
            throw new IllegalArgumentException("offset " + offset + " is negative");
        }
        requireOpen();
        byte[] bytes = objects.get(key);
        if (bytes == null) {
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.named(key), "no object " + key);
        }
        int length = target.remaining();
        if (length == 0) {
            return;
        }
        if (offset > bytes.length - length) {
            throw new CorruptDataException(
                    new Resource(null, null, new Extent(offset, length), key),
                    key + " has " + bytes.length + " bytes and ends before the range that was asked for",
                    null);
        }
        target.put(bytes, (int) offset, length);
    }

    @Override
    public BlobCursor list(String prefix) {
        BlobKeys.requirePrefix(prefix);
        requireOpen();
        Iterator<BlobEntry> entries = objects.tailMap(prefix).entrySet().stream()
                .takeWhile(object -> object.getKey().startsWith(prefix))
                .map(object -> new BlobEntry(object.getKey(), object.getValue().length))
                .iterator();
        return new OpenCursor(BlobCursor.of(entries));
    }

    @Override
    public void delete(String key) {
        BlobKeys.requireKey(key);
        requireOpen();
        objects.remove(key);
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        BlobKeys.requireKey(key);
        requireOpen();
        byte @Nullable [] bytes = objects.get(key);
        return bytes == null ? Optional.empty() : Optional.of(new BlobEntry(key, bytes.length));
    }

    @Override
    public void close() {
        closed = true;
    }

    private static byte[] bytes(String key, BlobContent content) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream((int) content.length());
        try {
            content.writeTo(Channels.newChannel(bytes));
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR, Resource.named(key), "can not read the content of " + key + ": " + e, e);
        }
        if (bytes.size() != content.length()) {
            throw new IllegalArgumentException("the content of " + key + " has " + bytes.size()
                    + " bytes and says that it has " + content.length());
        }
        return bytes.toByteArray();
    }

    private void requireOpen() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the store is closed");
        }
    }

    /** A listing that ends with its store. */
    private final class OpenCursor implements BlobCursor {
        private final BlobCursor cursor;

        OpenCursor(BlobCursor cursor) {
            this.cursor = cursor;
        }

        @Override
        public boolean next() {
            requireOpen();
            return cursor.next();
        }

        @Override
        public BlobEntry entry() {
            return cursor.entry();
        }

        @Override
        public void close() {
            cursor.close();
        }
    }
}
