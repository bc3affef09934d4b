package io.genievm.api.hypervisor;

import io.genievm.api.Extent;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Ranges of a disk, pulled one at a time: ascending, disjoint (they may touch), inside the capacity. A list that breaks
 * these rules is not believed: changes are lost tracking to the core then, and where allocation is not known it reads all. For one thread at a time.
 *
 * @since 0.1
 */
public interface ExtentCursor extends AutoCloseable {
    /**
     * Goes to the next range.
     *
     * @return whether there is one
     * @throws io.genievm.api.GenieVmException with an I/O code or {@code CLOSED}
     */
    boolean next();

    /**
     * The current range's first byte.
     *
     * @return bytes from the start of the disk
     * @throws IllegalStateException unless the last {@link #next()} was true
     */
    long offset();

    /**
     * The current range's length.
     *
     * @return bytes, 1 or more
     * @throws IllegalStateException unless the last {@link #next()} was true
     */
    long length();

    /** Releases the cursor. Does nothing the second time. */
    @Override
    void close();

    /**
     * A cursor over a list in memory, given out as it is.
     *
     * @param extents the ranges; not checked
     * @return a cursor that needs no closing
     */
    static ExtentCursor of(List<Extent> extents) {
        return new ListCursor(extents.iterator());
    }

    /**
     * A cursor over one range from 0.
     *
     * @param capacity its length in bytes; 0 gives an empty cursor
     * @return a cursor that needs no closing
     */
    static ExtentCursor whole(long capacity) {
        return of(capacity == 0 ? List.of() : List.of(new Extent(0, capacity)));
    }

    /** A cursor over an iterator in memory. */
    final class ListCursor implements ExtentCursor {
        private final Iterator<Extent> extents;
        private @Nullable Extent current;

        private ListCursor(Iterator<Extent> extents) {
            this.extents = extents;
        }

        @Override
        public boolean next() {
            current = extents.hasNext() ? extents.next() : null;
            return current != null;
        }

        @Override
        public long offset() {
            return checked().offset();
        }

        @Override
        public long length() {
            return checked().length();
        }

        @Override
        public void close() {}

        private Extent checked() {
            if (current == null) {
                throw new IllegalStateException("the cursor stands on no extent");
            }
            return current;
        }
    }
}
