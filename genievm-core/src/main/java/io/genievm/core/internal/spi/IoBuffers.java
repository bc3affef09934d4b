package io.genievm.core.internal.spi;

import java.nio.ByteBuffer;

/** Makes the buffers that drivers and stores fill and empty. Safe for use by several threads. */
public final class IoBuffers {
    /** Bytes: the page of x86, and what devices ask for. Where pages are larger nothing is lost. */
    private static final int PAGE = 4096;

    private IoBuffers() {}

    /**
     * A direct buffer that begins at the border of a page, so that it can be handed to a device as it is. That counts even
     * where no device is near: what the JVM would give begins 16 bytes behind a border, and some processors copy from the
     * page cache to such a place five times slower (ADR 0016).
     *
     * @param size bytes
     */
    public static ByteBuffer allocate(int size) {
        int pages = (size + PAGE - 1) / PAGE;
        return ByteBuffer.allocateDirect((pages + 1) * PAGE).alignedSlice(PAGE).slice(0, size);
    }

    /** Writes zeroes from one place of a buffer up to another, whatever its position and limit. */
    public static void fillWithZeroes(ByteBuffer buffer, int from, int to) {
        ByteBuffer part = buffer.duplicate().limit(to).position(from);
        while (part.hasRemaining()) {
            part.put((byte) 0);
        }
    }
}
