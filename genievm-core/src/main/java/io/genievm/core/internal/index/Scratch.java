package io.genievm.core.internal.index;

import io.genievm.core.internal.format.IdHasher;
import io.genievm.core.internal.work.WorkFile;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** What one thread needs to look ids up without allocating. */
public final class Scratch {
    static final int BYTES = 160 * LocalTable.ENTRY;

    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    // Direct, because reading a file into the heap goes through a hidden direct buffer and a copy.
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(BYTES);

    /** Reads a piece of a file to the beginning of the one buffer. */
    ByteBuffer read(WorkFile file, long position, int length) {
        buffer.clear().limit(length);
        file.read(position, buffer);
        return buffer;
    }

    /** Whether the buffer holds an id at an offset. */
    boolean matches(int at, byte[] id, int idOffset) {
        for (int i = 8; i < IdHasher.ID_BYTES; i += 8) {
            if (buffer.getLong(at + i) != longAt(id, idOffset + i)) {
                return false;
            }
        }
        return true;
    }

    static long longAt(byte[] bytes, int offset) {
        return (long) LONG.get(bytes, offset);
    }
}
