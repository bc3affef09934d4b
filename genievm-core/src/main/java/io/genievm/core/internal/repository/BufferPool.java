package io.genievm.core.internal.repository;

import io.genievm.core.internal.spi.IoBuffers;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Direct buffers of one size that begin at a page, made when first needed, at most so many. Safe for use by several threads.
 */
final class BufferPool {
    private final Deque<ByteBuffer> free = new ArrayDeque<>();
    private final int bufferSize;
    private int left;

    BufferPool(int bufferSize, int count) {
        this.bufferSize = bufferSize;
        this.left = count;
    }

    /** An empty buffer, or {@code null} when all are in use. */
    synchronized @Nullable ByteBuffer poll() {
        ByteBuffer buffer = free.poll();
        if (buffer == null && left > 0) {
            left--;
            return IoBuffers.allocate(bufferSize);
        }
        return buffer == null ? null : buffer.clear();
    }

    /** Whether {@link #poll} would give nothing. */
    synchronized boolean isExhausted() {
        return free.isEmpty() && left == 0;
    }

    /** Takes a buffer back. */
    synchronized void give(ByteBuffer buffer) {
        free.push(buffer);
    }
}
