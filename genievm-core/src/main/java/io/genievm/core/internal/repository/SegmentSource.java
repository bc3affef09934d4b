package io.genievm.core.internal.repository;

import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.PackName;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.PackList;
import java.nio.ByteBuffer;

/** Fetches segments from packs. Safe for use by several threads, each with a {@link Segment} of its own. */
public final class SegmentSource {
    private final RepositoryAccess access;
    private final PackList packs;

    /** Fetches from the packs of a list. */
    public SegmentSource(RepositoryAccess access, PackList packs) {
        this.access = access;
        this.packs = packs;
    }

    /** Makes a reader that {@link #fetch} can fill. */
    public Segment newSegment() {
        return new Segment(access.options().chunkSize(), access.options().segmentSize());
    }

    /** The key of a pack. */
    public String key(int pack) {
        return packs.name(pack).key();
    }

    /**
     * Fetches, checks and decodes a segment.
     *
     * @throws io.genievm.api.CorruptDataException when it is damaged
     */
    public void fetch(int pack, int offset, int length, Segment segment) {
        PackName name = packs.name(pack);
        String place = name.key();
        if (length <= 0 || length > segment.maxLength() || (long) offset + length > packs.length(pack)) {
            throw Corruption.in(place, "the index has a segment of " + length + " bytes at " + offset + " in it");
        }
        access.store().get(place, offset, ByteBuffer.wrap(segment.buffer(length), 0, length));
        segment.open(place, length);
    }

    /** Fetches the segment of a location. */
    public void fetch(Location location, Segment segment) {
        fetch(location.pack(), location.offset(), location.length(), segment);
    }
}
