package io.genievm.api.store;

import java.util.Iterator;
import org.jspecify.annotations.Nullable;

/** A listing that lies in memory. */
final class IteratorCursor implements BlobCursor {
    private final Iterator<BlobEntry> entries;
    private @Nullable BlobEntry current;

    IteratorCursor(Iterator<BlobEntry> entries) {
        this.entries = entries;
    }

    @Override
    public boolean next() {
        current = entries.hasNext() ? entries.next() : null;
        return current != null;
    }

    @Override
    public BlobEntry entry() {
        BlobEntry entry = current;
        if (entry == null) {
            throw new IllegalStateException("the cursor stands on no object");
        }
        return entry;
    }

    @Override
    public void close() {}
}
