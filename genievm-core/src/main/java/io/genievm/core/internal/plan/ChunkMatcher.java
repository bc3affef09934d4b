package io.genievm.core.internal.plan;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.format.MapPage;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Says whether chunks that were read are those that a map names. For one thread; allocates nothing for a chunk. */
public final class ChunkMatcher {
    private final int chunkSize;
    private final byte[] zeroes;
    private final byte[] chunk;
    private final byte[] id = new byte[IdHasher.ID_BYTES];
    private final IdHasher hasher = new IdHasher();

    /** Memory that a matcher takes, in bytes. */
    public static long memory(int chunkSize) {
        return 2L * chunkSize;
    }

    /** Compares chunks of a size. */
    public ChunkMatcher(int chunkSize) {
        this.chunkSize = chunkSize;
        this.zeroes = new byte[chunkSize];
        this.chunk = new byte[chunkSize];
    }

    /**
     * Compares one chunk.
     *
     * @param data holds the whole chunk, padded with zeroes at the end of its disk
     * @param at where it begins
     * @param page the page that names it; {@code null} where the map says zeroes
     * @param entry its place in the page
     */
    public boolean isSame(ByteBuffer data, int at, @Nullable MapPage page, int entry) {
        data.get(at, chunk);
        boolean zero = Arrays.equals(chunk, zeroes);
        if (zero || page == null) {
            return zero && (page == null || page.isNull(entry));
        }
        hasher.chunk(chunk, 0, chunkSize, id, 0);
        return IdHasher.equal(id, 0, page.ids(), MapPage.offset(entry));
    }
}
