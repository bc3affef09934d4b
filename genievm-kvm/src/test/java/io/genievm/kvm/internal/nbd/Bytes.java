package io.genievm.kvm.internal.nbd;

import java.nio.ByteBuffer;
import java.util.Random;

/** Buffers for reads and writes. */
final class Bytes {
    private Bytes() {}

    static byte[] read(NbdConnection connection, long offset, int length) {
        ByteBuffer target = ByteBuffer.allocateDirect(length);
        connection.read(offset, target);
        return taken(target);
    }

    static byte[] taken(ByteBuffer filled) {
        if (filled.hasRemaining()) {
            throw new AssertionError("a short read: " + filled);
        }
        byte[] bytes = new byte[filled.capacity()];
        filled.flip().get(bytes);
        return bytes;
    }

    static ByteBuffer direct(byte[] bytes) {
        return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    }

    static byte[] random(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }
}
