package io.genievm.storage.internal.local;

import java.nio.ByteBuffer;

/** How much of a buffer goes into one call of a channel. */
final class Pieces {
    /** Java passes a buffer on the heap through a direct one of the same size, which the thread then keeps. */
    private static final int HEAP = 1 << 20;

    /** Small enough for close to be noticed between two. */
    private static final int DIRECT = 16 << 20;

    private Pieces() {}

    /** Gives the limit to set for the next call, at most {@code end}. */
    static int end(ByteBuffer buffer, int end) {
        return Math.min(end, buffer.position() + (buffer.isDirect() ? DIRECT : HEAP));
    }
}
