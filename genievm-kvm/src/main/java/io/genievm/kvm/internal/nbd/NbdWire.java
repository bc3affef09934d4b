package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.EOFException;
import java.io.IOException;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * Numbers, strings and data over a socket, in clear text or in TLS. Reading waits, within limits; one thread reads and one
 * thread writes at a time.
 */
final class NbdWire implements AutoCloseable {
    /** Zeroes to send, or to copy from. */
    static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(256 << 10).asReadOnlyBuffer();

    /** Holds headers and what happens to come with them; small, because what is data has to be copied from it. */
    private static final int BUFFER = 8192;

    private static final int LONGEST_HEAP_READ = 256 << 10;

    private final NbdSocket socket;
    private final Resource resource;
    private final ByteBuffer in = ByteBuffer.allocateDirect(BUFFER).flip();
    private @Nullable TlsCodec tls;

    private long silenceNanos;
    private long silentSince;
    private long limit;

    NbdWire(NbdSocket socket, Resource resource) {
        this.socket = socket;
        this.resource = resource;
    }

    /** What errors of this wire are about. */
    Resource resource() {
        return resource;
    }

    boolean isEncrypted() {
        return tls != null;
    }

    /**
     * Sets how long reading may wait, from now on. For the thread that reads.
     *
     * @param from since when nothing may have come for at most {@code silence}
     * @param silence nanoseconds
     * @param end when reading has to end whatever comes, on the clock of {@link System#nanoTime()}
     */
    void setLimits(long from, long silence, long end) {
        if (from - silentSince > 0 || silenceNanos == 0) {
            silentSince = from;
        }
        silenceNanos = silence;
        limit = end;
    }

    /** Goes over to TLS. What came in clear text behind the server's consent was sent by somebody else. */
    void startTls(SSLEngine engine) throws IOException {
        if (in.hasRemaining()) {
            throw NbdErrors.broken(resource, "it sent data in clear text after it had agreed to TLS");
        }
        TlsCodec codec = new TlsCodec(engine, socket);
        try {
            codec.handshake(limit);
        } catch (EOFException | SocketException e) {
            // QEMU just hangs up on a version that it does not want.
            throw new TlsRefusedException(e);
        } catch (SSLException e) {
            // The name of the alert is all that Java tells.
            String message = String.valueOf(e.getMessage());
            throw message.contains("protocol_version") || message.contains("handshake_failure")
                    ? new TlsRefusedException(e)
                    : e;
        }
        tls = codec;
    }

    /** Makes at least so many bytes available to the getters; at most 4 KiB. */
    void need(int bytes) throws IOException {
        if (in.remaining() >= bytes) {
            return;
        }
        in.compact();
        try {
            while (in.position() < bytes) {
                receive(in);
            }
        } finally {
            in.flip();
        }
    }

    short getShort() {
        return in.getShort();
    }

    int getInt() {
        return in.getInt();
    }

    long getLong() {
        return in.getLong();
    }

    /** Reads a string of at most 4 KiB that has to be UTF-8. */
    String string(int bytes) throws IOException {
        need(bytes);
        ByteBuffer encoded = in.slice(in.position(), bytes);
        in.position(in.position() + bytes);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(encoded).toString();
        } catch (CharacterCodingException e) {
            throw NbdErrors.broken(resource, "a string that is not UTF-8");
        }
    }

    /** Reads words for people: whatever they are, and not all of them when they are many. */
    String words(int bytes) throws IOException {
        int kept = Math.min(bytes, NbdProtocol.MAX_STRING);
        need(kept);
        byte[] encoded = new byte[kept];
        in.get(encoded);
        skip(bytes - kept);
        return new String(encoded, StandardCharsets.UTF_8);
    }

    void skip(int bytes) throws IOException {
        int left = bytes;
        while (left > 0) {
            need(1);
            int step = Math.min(left, in.remaining());
            in.position(in.position() + step);
            left -= step;
        }
    }

    /** Fills a buffer from its position to its limit. */
    void fill(ByteBuffer target) throws IOException {
        int there = Math.min(in.remaining(), target.remaining());
        target.put(target.position(), in, in.position(), there);
        in.position(in.position() + there);
        target.position(target.position() + there);
        while (target.hasRemaining()) {
            if (!target.isDirect() && target.remaining() > LONGEST_HEAP_READ) {
                ByteBuffer piece = target.slice(target.position(), LONGEST_HEAP_READ);
                receiveAlso(piece);
                target.position(target.position() + piece.position());
            } else {
                receiveAlso(target);
            }
        }
    }

    /** Receives into a buffer, and what comes behind it into ours, which is empty: that saves a call for each header. */
    private void receiveAlso(ByteBuffer target) throws IOException {
        if (tls != null) {
            receive(target);
            return;
        }
        in.clear();
        try {
            long read = socket.read(target, in);
            while (read == 0) {
                awaitReadable();
                read = socket.read(target, in);
            }
            checkEnd(read);
        } finally {
            in.flip();
        }
    }

    private void receive(ByteBuffer target) throws IOException {
        int read = tls == null ? socket.read(target) : tls.read(target);
        while (read == 0) {
            awaitReadable();
            read = tls == null ? socket.read(target) : tls.read(target);
        }
        checkEnd(read);
    }

    private void checkEnd(long read) throws IOException {
        if (read < 0) {
            throw new EOFException("the server closed the connection");
        }
        silentSince = System.nanoTime();
        if (limit - silentSince <= 0) {
            throw tooSlow();
        }
    }

    private void awaitReadable() throws IOException {
        long silent = silentSince + silenceNanos;
        boolean silenceFirst = silent - limit < 0;
        if (!socket.awaitReadable(silenceFirst ? silent : limit)) {
            throw silenceFirst ? silent(silenceNanos) : tooSlow();
        }
    }

    GenieVmException silent(long nanos) {
        return new GenieVmException(
                ErrorCode.TRANSIENT_IO_ERROR,
                resource,
                "the NBD server at " + resource.name() + " has been silent for "
                        + java.time.Duration.ofNanos(nanos).toMillis() + " ms");
    }

    GenieVmException tooSlow() {
        return new GenieVmException(
                ErrorCode.TRANSIENT_IO_ERROR,
                resource,
                "the NBD server at " + resource.name() + " did not answer within the time limit");
    }

    /** Whether something has come that can be read, without waiting. For the thread that reads. */
    boolean poll() throws IOException {
        if (in.hasRemaining()) {
            return true;
        }
        in.clear();
        try {
            long read = tls == null ? socket.read(in) : tls.read(in);
            if (read != 0) {
                checkEnd(read);
            }
        } finally {
            in.flip();
        }
        return in.hasRemaining();
    }

    /** Writes what there is room for, and says whether that was all; if not, the same buffers are to be given again. */
    boolean write(ByteBuffer[] sources) throws IOException {
        if (tls != null) {
            return tls.write(sources);
        }
        socket.write(sources);
        return !hasRemaining(sources);
    }

    /** Writes a whole buffer, and waits for room within the limits of reading: for the handshake, where there is one thread. */
    void writeAll(ByteBuffer source) throws IOException {
        ByteBuffer[] sources = {source};
        while (!write(sources)) {
            if (!socket.awaitWritable(false, limit)) {
                throw tooSlow();
            }
        }
    }

    boolean awaitWritable(boolean orReadable, long until) throws IOException {
        return socket.awaitWritable(orReadable, until);
    }

    void wakeWriter() {
        socket.wakeWriter();
    }

    /** Sends a last message and ends TLS, as far as there is room for that now. For the thread that writes. */
    void sayGoodbye(ByteBuffer message) throws IOException {
        if (write(new ByteBuffer[] {message}) && tls != null) {
            tls.sayGoodbye();
        }
    }

    @Override
    public void close() {
        socket.close();
    }

    static boolean hasRemaining(ByteBuffer[] buffers) {
        for (ByteBuffer buffer : buffers) {
            if (buffer.hasRemaining()) {
                return true;
            }
        }
        return false;
    }
}
