package io.genievm.benchmarks;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobCursor;
import io.genievm.api.store.BlobEntry;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.PutOutcome;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Optional;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * A store in one piece of memory outside of the heap. Unlike the fake of the test kit it copies an object's bytes once and
 * allocates next to nothing for them, so that neither the collector's work nor what {@code -prof gc} counts is the store's.
 * Safe for use by several threads, but for {@link #empty}.
 */
final class SlabBlobStore implements BlobStore {
    private final ByteBuffer slab;
    private final ConcurrentNavigableMap<String, ByteBuffer> objects = new ConcurrentSkipListMap<>();
    private int end;

    /** Makes a store for at most so many bytes; what is deleted counts until it is emptied. */
    SlabBlobStore(int capacity) {
        slab = ByteBuffer.allocateDirect(capacity);
    }

    /** Removes all objects and uses their room again; nobody may be using them. */
    void empty() {
        objects.clear();
        end = 0;
    }

    @Override
    public PutOutcome put(String key, BlobContent content) {
        ByteBuffer room = room(key, content.length());
        try {
            content.writeTo(new Filler(room));
        } catch (IOException e) {
            throw new GenieVmException(ErrorCode.IO_ERROR, Resource.named(key), "can not read what to put: " + e, e);
        }
        return objects.putIfAbsent(key, room.flip()) == null ? PutOutcome.CREATED : PutOutcome.EXISTS;
    }

    private synchronized ByteBuffer room(String key, long length) {
        if (length > slab.capacity() - end) {
            throw new GenieVmException(
                    ErrorCode.NO_SPACE, Resource.named(key), "the store has only " + slab.capacity() + " bytes");
        }
        ByteBuffer room = slab.slice(end, (int) length);
        end += (int) length;
        return room;
    }

    @Override
    public void get(String key, long offset, ByteBuffer target) {
        ByteBuffer object = objects.get(key);
        if (object == null) {
            throw new GenieVmException(ErrorCode.NOT_FOUND, Resource.named(key), "no object " + key);
        }
        int start = target.position();
        int length = target.remaining();
        // Not by the object's position, which all threads share.
        target.put(start, object, (int) offset, length).position(start + length);
    }

    @Override
    public BlobCursor list(String prefix) {
        return BlobCursor.of(objects.tailMap(prefix).entrySet().stream()
                .takeWhile(object -> object.getKey().startsWith(prefix))
                .map(object -> new BlobEntry(object.getKey(), object.getValue().limit()))
                .iterator());
    }

    @Override
    public void delete(String key) {
        objects.remove(key);
    }

    @Override
    public Optional<BlobEntry> stat(String key) {
        ByteBuffer object = objects.get(key);
        return object == null ? Optional.empty() : Optional.of(new BlobEntry(key, object.limit()));
    }

    @Override
    public void close() {}

    /** Fills a buffer. */
    private record Filler(ByteBuffer target) implements WritableByteChannel {
        @Override
        public int write(ByteBuffer source) {
            int length = source.remaining();
            target.put(source);
            return length;
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {}
    }
}
