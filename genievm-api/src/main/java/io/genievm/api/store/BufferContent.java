package io.genievm.api.store;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.Iterator;
import java.util.List;

/** Content that lies in memory. */
record BufferContent(List<ByteBuffer> buffers) implements BlobContent {
    @Override
    public long length() {
        long length = 0;
        for (ByteBuffer buffer : buffers) {
            length += buffer.remaining();
        }
        return length;
    }

    @Override
    public InputStream open() {
        return new BufferStream(buffers.stream().map(ByteBuffer::duplicate).iterator());
    }

    @Override
    public void writeTo(WritableByteChannel channel) throws IOException {
        for (ByteBuffer buffer : buffers) {
            ByteBuffer view = buffer.duplicate();
            while (view.hasRemaining()) {
                channel.write(view);
            }
        }
    }

    private static final class BufferStream extends InputStream {
        private final Iterator<ByteBuffer> rest;
        private ByteBuffer current = ByteBuffer.allocate(0);

        BufferStream(Iterator<ByteBuffer> buffers) {
            this.rest = buffers;
        }

        @Override
        public int read() {
            return advance() ? current.get() & 0xff : -1;
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            if (length == 0) {
                return 0;
            }
            if (!advance()) {
                return -1;
            }
            int count = Math.min(length, current.remaining());
            current.get(target, offset, count);
            return count;
        }

        private boolean advance() {
            while (!current.hasRemaining() && rest.hasNext()) {
                current = rest.next();
            }
            return current.hasRemaining();
        }
    }
}
