package io.genievm.core.internal.store;

import io.genievm.api.store.BlobStore;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;

/** Compares what is written to it with an object of the same length. For one thread. */
final class ContentComparison implements WritableByteChannel {
    private final BlobStore store;
    private final String key;
    private final ByteBuffer stored = ByteBuffer.allocate(1 << 16);
    private long offset;
    private boolean equal = true;

    ContentComparison(BlobStore store, String key) {
        this.store = store;
        this.key = key;
    }

    boolean isEqual() {
        return equal;
    }

    @Override
    public int write(ByteBuffer source) {
        int length = source.remaining();
        while (equal && source.hasRemaining()) {
            int count = Math.min(source.remaining(), stored.capacity());
            store.get(key, offset, stored.clear().limit(count));
            equal = stored.flip().equals(source.slice(source.position(), count));
            source.position(source.position() + count);
            offset += count;
        }
        source.position(source.limit());
        return length;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close() {}
}
