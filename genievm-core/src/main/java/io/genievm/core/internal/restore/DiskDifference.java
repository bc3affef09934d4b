package io.genievm.core.internal.restore;

import io.genievm.core.internal.plan.ChunkBitmap;

/** Where an existing disk differs from a point. May be filled by several threads; read when it is filled. */
final class DiskDifference {
    private final ChunkBitmap data;
    private final ChunkBitmap zeroes;

    DiskDifference(long chunks) {
        this.data = new ChunkBitmap(chunks);
        this.zeroes = new ChunkBitmap(chunks);
    }

    /** Tells of a chunk that differs. */
    synchronized void add(long chunk, boolean isZeroInPoint) {
        (isZeroInPoint ? zeroes : data).set(chunk, chunk + 1);
    }

    /** Chunks that hold something else than the point has there. */
    ChunkBitmap data() {
        return data;
    }

    /** Chunks that hold something where the point has zeroes. */
    ChunkBitmap zeroes() {
        return zeroes;
    }

    /** Whether there is none. */
    boolean isEmpty() {
        return data.nextSet(0) < 0 && zeroes.nextSet(0) < 0;
    }
}
