package io.genievm.core.internal.work;

import java.nio.ByteBuffer;

/** Writes a region of a work file from its beginning, through a buffer. For one thread at a time. */
public final class RegionWriter {
    private final WorkFile file;
    private final ByteBuffer buffer;
    private long position;

    /** Begins at an offset of the file. */
    public RegionWriter(WorkFile file, long position, int bufferSize) {
        this.file = file;
        this.position = position;
        this.buffer = ByteBuffer.allocate(bufferSize);
    }

    /** A buffer with room for so many bytes, to which the caller appends them. */
    public ByteBuffer room(int length) {
        if (buffer.remaining() < length) {
            flush();
        }
        return buffer;
    }

    /** Where the next byte goes. */
    public long position() {
        return position + buffer.position();
    }

    /** Writes what is buffered. */
    public void flush() {
        buffer.flip();
        int length = buffer.remaining();
        file.write(position, buffer);
        position += length;
        buffer.clear();
    }
}
