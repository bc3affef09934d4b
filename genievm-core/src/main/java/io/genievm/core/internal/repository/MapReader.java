package io.genievm.core.internal.repository;

import io.genievm.api.CorruptDataException;
import io.genievm.api.GenieVmException;
import io.genievm.core.internal.format.Corruption;
import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.format.SegmentType;
import io.genievm.core.internal.index.IndexView;
import io.genievm.core.internal.index.Location;
import io.genievm.core.internal.index.Scratch;
import io.genievm.core.internal.work.WorkFile;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads pages of chunk maps. Every segment of pages is fetched from the store at most once and then kept in a private
 * file; a few pages are kept in memory. For one thread at a time.
 */
public final class MapReader implements AutoCloseable {
    private static final int CACHED_PAGES = 64;

    private final IndexView index;
    private final SegmentSource source;
    private final WorkFile spool;
    private final Segment segment;
    private final Scratch scratch = new Scratch();
    private final Location location = new Location();
    private final Map<Long, Long> spooled = new HashMap<>();
    private final Map<ByteBuffer, MapPage> pages = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<ByteBuffer, MapPage> eldest) {
            return size() > CACHED_PAGES;
        }
    };
    private long openPlace = -1;
    private long spoolEnd;
    private long fetchedBytes;

    /** Reads maps whose pages an index finds. */
    public MapReader(RepositoryAccess access, IndexView index) {
        this.index = index;
        this.source = new SegmentSource(access, index.packs());
        this.segment = source.newSegment();
        this.spool = access.workFiles().create();
    }

    /** Is told about the chunks and the damage of a map, in ascending order. */
    public interface Visitor {
        /** A chunk that is not zero; {@code ids} is not kept. */
        void chunk(long number, byte[] ids, int idOffset);

        /** A range of chunks that can not be known, because a page is damaged or missing. */
        void damaged(long first, long count, CorruptDataException cause);

        /** Whether a subtree need not be visited, as it is known already; asked before its page is read. */
        default boolean skip(int level, long page, byte[] ids, int idOffset) {
            return false;
        }
    }

    /** Bytes of segments that were fetched from the store. */
    public long fetchedBytes() {
        return fetchedBytes;
    }

    /** Visits the map of a disk. */
    public void visit(byte @Nullable [] root, long chunks, Visitor visitor) {
        if (root != null) {
            visit(root, 0, MapPage.height(chunks) - 1, 0, chunks, visitor);
        }
    }

    /** The page of a number at a level, which the caller does not change, or {@code null} if it is empty. */
    public @Nullable MapPage page(byte @Nullable [] root, long chunks, int level, long number) {
        int height = MapPage.height(chunks);
        if (root == null || level >= height) {
            return null;
        }
        byte[] ids = root;
        int idOffset = 0;
        for (int above = height - 1; ; above--) {
            long below = number;
            for (int i = level; i < above; i++) {
                below /= MapPage.FAN_OUT;
            }
            if (above == height - 1 && below > 0 || IdHasher.isNull(ids, idOffset)) {
                return null;
            }
            MapPage page = page(ids, idOffset, above);
            if (above == level) {
                return page;
            }
            long entry = number;
            for (int i = level + 1; i < above; i++) {
                entry /= MapPage.FAN_OUT;
            }
            ids = page.ids();
            idOffset = MapPage.offset((int) (entry % MapPage.FAN_OUT));
        }
    }

    /** Whether a page of another map, at the same place, is the same; then all below it is as well. */
    public boolean hasPage(byte @Nullable [] root, long chunks, int level, long number, byte[] id, int idOffset) {
        int height = MapPage.height(chunks);
        if (root == null || level >= height) {
            return false;
        }
        byte[] ids = root;
        int at = 0;
        for (int above = height - 1; above > level; above--) {
            if (IdHasher.isNull(ids, at)) {
                return false;
            }
            MapPage page = page(ids, at, above);
            long entry = number;
            for (int i = level + 1; i < above; i++) {
                entry /= MapPage.FAN_OUT;
            }
            ids = page.ids();
            at = MapPage.offset((int) (entry % MapPage.FAN_OUT));
        }
        return IdHasher.equal(ids, at, id, idOffset);
    }

    @Override
    public void close() {
        spool.close();
        segment.close();
    }

    private void visit(byte[] ids, int idOffset, int level, long number, long chunks, Visitor visitor) {
        if (visitor.skip(level, number, ids, idOffset)) {
            return;
        }
        long span = 1;
        for (int i = 0; i < level; i++) {
            span *= MapPage.FAN_OUT;
        }
        long first = number * MapPage.FAN_OUT * span;
        MapPage page;
        try {
            page = page(ids, idOffset, level);
        } catch (CorruptDataException e) {
            visitor.damaged(first, Math.min(MapPage.FAN_OUT * span, chunks - first), e);
            return;
        }
        for (int entry = 0; entry < MapPage.FAN_OUT; entry++) {
            if (!page.isNull(entry)) {
                if (first + entry * span >= chunks) {
                    visitor.damaged(
                            first,
                            Math.min(MapPage.FAN_OUT * span, chunks - first),
                            Corruption.in(keyOf(ids, idOffset), "a map page has entries behind the end of the disk"));
                    return;
                }
                if (level == 0) {
                    visitor.chunk(first + entry, page.ids(), MapPage.offset(entry));
                } else {
                    visit(
                            page.ids(),
                            MapPage.offset(entry),
                            level - 1,
                            number * MapPage.FAN_OUT + entry,
                            chunks,
                            visitor);
                }
            }
        }
    }

    /**
     * Reads the page of an id, which the caller does not change.
     *
     * @throws CorruptDataException when it is damaged, missing or of another level
     */
    public MapPage page(byte[] ids, int idOffset, int level) {
        ByteBuffer id = ByteBuffer.wrap(Arrays.copyOfRange(ids, idOffset, idOffset + IdHasher.ID_BYTES));
        MapPage cached = pages.get(id);
        if (cached == null) {
            cached = read(ids, idOffset);
            pages.put(id, cached);
        }
        if (cached.level() != level) {
            throw Corruption.in(
                    keyOf(ids, idOffset), "a map page has level " + cached.level() + " where " + level + " belongs");
        }
        return cached;
    }

    /** The object that holds the page of an id. */
    public String keyOf(byte[] ids, int idOffset) {
        return index.find(ids, idOffset, scratch, location) ? source.key(location.pack()) : "index/";
    }

    private MapPage read(byte[] ids, int idOffset) {
        CorruptDataException failure = null;
        for (int copy = 0; index.findCopy(ids, idOffset, copy, scratch, location); copy++) {
            try {
                open(location);
                if (segment.type() == SegmentType.PAGES && segment.checkEntry(location.position(), ids, idOffset)) {
                    return MapPage.decode(
                            source.key(location.pack()),
                            ByteBuffer.wrap(
                                            segment.content(),
                                            segment.contentOffset(location.position()),
                                            segment.contentLength(location.position()))
                                    .slice());
                }
                failure = Corruption.in(source.key(location.pack()), "a map page does not have its hash");
            } catch (GenieVmException e) {
                if (!Corruption.isObjectProblem(e)) {
                    throw e;
                }
                failure = Corruption.in(source.key(location.pack()), e.getMessage(), e);
            }
        }
        if (failure != null) {
            throw failure;
        }
        String key = index.findMissing(ids, idOffset, scratch, location) ? source.key(location.pack()) : "index/";
        throw Corruption.in(key, "a map page is in no pack that is there");
    }

    /** Opens a segment, from the private file if it was fetched before. */
    private void open(Location where) {
        long place = (long) where.pack() << 32 | where.offset() & 0xffffffffL;
        if (place == openPlace) {
            // Neighbouring pages lie in one segment, as a rule.
            return;
        }
        openPlace = -1;
        Long at = spooled.get(place);
        int length = where.length();
        if (at == null) {
            source.fetch(where, segment);
            spool.write(spoolEnd, ByteBuffer.wrap(segment.buffer(length), 0, length));
            spooled.put(place, spoolEnd);
            spoolEnd += length;
            fetchedBytes += length;
        } else {
            spool.read(at, ByteBuffer.wrap(segment.buffer(length), 0, length));
            segment.open(source.key(where.pack()), length);
        }
        openPlace = place;
    }
}
