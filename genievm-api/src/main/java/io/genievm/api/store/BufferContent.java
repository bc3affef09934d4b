package io.genievm.api.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
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
    public void writeTo(WritableByteChannel channel) throws IOException {
        for (ByteBuffer buffer : buffers) {
            ByteBuffer view = buffer.duplicate();
            while (view.hasRemaining()) {
                channel.write(view);
            }
        }
    }
}
