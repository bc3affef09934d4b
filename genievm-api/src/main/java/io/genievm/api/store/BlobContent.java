package io.genievm.api.store;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.util.List;

/**
 * The bytes of an object to be put. Can be read any number of times, by one thread at a time, and gives the same bytes
 * each time. A store takes them in the way that suits it.
 *
 * @since 0.1
 */
public interface BlobContent {
    /**
     * How many bytes there are.
     *
     * @return bytes, 0 or more
     */
    long length();

    /**
     * Gives all bytes as a stream.
     *
     * @return a new stream from the first byte, closed by the caller
     * @throws IOException when they can not be read
     */
    InputStream open() throws IOException;

    /**
     * Writes all bytes to a channel.
     *
     * @param channel where to; in blocking mode; not closed
     * @throws IOException when they can not be read or the channel fails
     */
    void writeTo(WritableByteChannel channel) throws IOException;

    /**
     * Content from an array.
     *
     * @param bytes the bytes; not copied, so not to be changed meanwhile
     * @return the content
     */
    static BlobContent of(byte[] bytes) {
        return of(List.of(ByteBuffer.wrap(bytes)));
    }

    /**
     * Content from buffers, one after the other.
     *
     * @param buffers the remaining bytes of each; neither their content nor their positions may change meanwhile
     * @return the content
     */
    static BlobContent of(List<ByteBuffer> buffers) {
        return new BufferContent(List.copyOf(buffers));
    }
}
