package io.genievm.core.internal.work;

import io.genievm.api.store.BlobContent;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;

/** A private file without a name. Reads and writes are positional, complete or throw, and may come from any thread. */
public final class WorkFile implements AutoCloseable {
    private final String place;
    private final FileChannel channel;

    WorkFile(String place, FileChannel channel) {
        this.place = place;
        this.channel = channel;
    }

    /** Writes the remaining bytes of a buffer. */
    public void write(long position, ByteBuffer source) {
        try {
            long at = position;
            while (source.hasRemaining()) {
                at += channel.write(source, at);
            }
        } catch (IOException e) {
            throw IoErrors.of(place, "write a temporary file in", e);
        }
    }

    /** Fills a buffer. */
    public void read(long position, ByteBuffer target) {
        try {
            long at = position;
            while (target.hasRemaining()) {
                int count = channel.read(target, at);
                if (count < 0) {
                    throw new IOException("it has become shorter");
                }
                at += count;
            }
        } catch (IOException e) {
            throw IoErrors.of(place, "read a temporary file in", e);
        }
    }

    /** The first bytes of the file as the content of an object. */
    public BlobContent content(long length) {
        return new BlobContent() {
            @Override
            public long length() {
                return length;
            }

            @Override
            public InputStream open() {
                return new InputStream() {
                    private long position;

                    @Override
                    public int read() {
                        byte[] one = new byte[1];
                        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
                    }

                    @Override
                    public int read(byte[] target, int offset, int count) {
                        int take = (int) Math.min(count, length - position);
                        if (take <= 0) {
                            return count == 0 ? 0 : -1;
                        }
                        WorkFile.this.read(position, ByteBuffer.wrap(target, offset, take));
                        position += take;
                        return take;
                    }
                };
            }

            @Override
            public void writeTo(WritableByteChannel target) throws IOException {
                long position = 0;
                while (position < length) {
                    long count = channel.transferTo(position, length - position, target);
                    if (count <= 0) {
                        throw new IOException("a temporary file in " + place + " has become shorter");
                    }
                    position += count;
                }
            }
        };
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (IOException e) {
            // Nothing in it is of use any more, and the name is gone already.
        }
    }
}
