package io.genievm.core.internal.plan;

/**
 * Divides the chunks of a disk into stripes for audits. Runs of neighbouring chunks are shuffled by a permutation that a
 * seed picks, and dealt out in turn: every run is in exactly one stripe, and stripes differ by one run at the most. What
 * the permutation is stands in {@code docs/format/documents.md}, so that any software can go on with the next stripe.
 */
public final class AuditStripes {
    private static final int ROUNDS = 4;
    private static final int RUN_BYTES = 1 << 20;

    private final long seed;
    private final int stripes;
    private final long chunks;
    private final int runChunks;
    private final long runs;
    private final int halfBits;

    /**
     * Divides a disk.
     *
     * @param seed picks the permutation
     * @param stripes how many stripes there are, 1 or more
     * @param chunks of the disk
     * @param runChunks chunks of a run
     */
    public AuditStripes(long seed, int stripes, long chunks, int runChunks) {
        this.seed = seed;
        this.stripes = stripes;
        this.chunks = chunks;
        this.runChunks = runChunks;
        this.runs = (chunks + runChunks - 1) / runChunks;
        this.halfBits = (65 - Long.numberOfLeadingZeros(Math.max(1, runs - 1))) / 2;
    }

    /** How many chunks of a size make a run. */
    public static int runChunks(int chunkSize) {
        return Math.max(1, RUN_BYTES / chunkSize);
    }

    /** The chunks of a stripe. */
    public ChunkBitmap stripe(int stripe) {
        ChunkBitmap bitmap = new ChunkBitmap(chunks);
        for (long run = 0; run < runs; run++) {
            if (place(run) % stripes == stripe) {
                bitmap.set(run * runChunks, Math.min((run + 1) * runChunks, chunks));
            }
        }
        return bitmap;
    }

    /** A run's place after the shuffle: a Feistel network over the next even number of bits, walked until it is inside. */
    long place(long run) {
        long mask = (1L << halfBits) - 1;
        long place = run;
        do {
            long left = place >>> halfBits;
            long right = place & mask;
            for (int round = 0; round < ROUNDS; round++) {
                long next = left ^ mix(seed + round * 0x9e3779b97f4a7c15L + right) & mask;
                left = right;
                right = next;
            }
            place = left << halfBits | right;
        } while (place >= runs);
        return place;
    }

    /** The finalizer of SplitMix64. */
    private static long mix(long value) {
        long mixed = (value ^ value >>> 30) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ mixed >>> 27) * 0x94d049bb133111ebL;
        return mixed ^ mixed >>> 31;
    }
}
