package io.genievm.storage.internal.images;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What is closed when its owner is: a connection's snapshots, a snapshot's readers. */
final class Scope {
    private final String owner;
    private final Set<Part> parts = new LinkedHashSet<>();
    private volatile boolean closed;

    /** Something that does not outlive its owner. */
    interface Part {
        void close();
    }

    /** Makes the scope of what the name says, such as {@code the snapshot of VM 'a'}. */
    Scope(String owner) {
        this.owner = owner;
    }

    /** Takes a part in, or closes it when the owner was closed meanwhile. */
    <P extends Part> P add(P part) {
        synchronized (parts) {
            if (!closed) {
                parts.add(part);
                return part;
            }
        }
        part.close();
        throw closed(null);
    }

    /** Says whether the part was still in. */
    boolean remove(Part part) {
        synchronized (parts) {
            return parts.remove(part);
        }
    }

    void requireOpen() {
        if (closed) {
            throw closed(null);
        }
    }

    /** The failure of a call that its owner's close broke off. */
    GenieVmException closed(@Nullable Throwable cause) {
        return new GenieVmException(ErrorCode.CLOSED, Resource.NONE, owner + " is closed", cause);
    }

    void close() {
        List<Part> open;
        synchronized (parts) {
            closed = true;
            open = new ArrayList<>(parts);
            parts.clear();
        }
        // Outside the lock, as a part may remove itself.
        open.forEach(Part::close);
    }
}
