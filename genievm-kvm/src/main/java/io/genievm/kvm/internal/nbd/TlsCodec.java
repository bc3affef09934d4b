package io.genievm.kvm.internal.nbd;

import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLEngineResult.Status;
import javax.net.ssl.SSLException;

/** TLS over a socket that does not block. One thread reads and one thread writes at a time, as with the socket. */
final class TlsCodec {
    /** Records without data that may follow each other: a few tickets and new keys, but not an endless row. */
    private static final int EMPTY_RECORDS = 64;

    private final SSLEngine engine;
    private final NbdSocket socket;
    private final int recordSize;
    private final int plainSize;
    /** What came from the socket, ready to be read. */
    private final ByteBuffer incoming;
    /** What was decrypted and is not taken yet, ready to be read. */
    private final ByteBuffer plain;
    /** What goes to the socket, ready to be read. */
    private final ByteBuffer outgoing;

    private final ByteBuffer[] pieces;

    TlsCodec(SSLEngine engine, NbdSocket socket) {
        this.engine = engine;
        this.socket = socket;
        recordSize = engine.getSession().getPacketBufferSize();
        plainSize = engine.getSession().getApplicationBufferSize();
        incoming = ByteBuffer.allocateDirect(4 * recordSize).flip();
        plain = ByteBuffer.allocateDirect(plainSize).flip();
        outgoing = ByteBuffer.allocateDirect(4 * recordSize).flip();
        pieces = new ByteBuffer[] {outgoing};
    }

    /** Agrees on keys and verifies the server, until the limit. */
    void handshake(long limit) throws IOException {
        engine.beginHandshake();
        while (true) {
            if (limit - System.nanoTime() <= 0) {
                throw new SocketTimeoutException("no TLS within the time limit");
            }
            HandshakeStatus status = engine.getHandshakeStatus();
            switch (status) {
                case NEED_TASK -> runTasks();
                case NEED_WRAP -> {
                    outgoing.clear();
                    SSLEngineResult result = engine.wrap(ByteBuffer.allocate(0), outgoing);
                    outgoing.flip();
                    while (outgoing.hasRemaining()) {
                        socket.write(pieces);
                        if (outgoing.hasRemaining()) {
                            socket.awaitWritable(false, limit);
                            checkTime(limit);
                        }
                    }
                    if (result.getStatus() == Status.CLOSED) {
                        throw new SSLException("the server ended TLS before it began");
                    }
                }
                case NEED_UNWRAP, NEED_UNWRAP_AGAIN -> unwrapHandshake(limit);
                case NOT_HANDSHAKING, FINISHED -> {
                    return;
                }
            }
        }
    }

    private void unwrapHandshake(long limit) throws IOException {
        plain.clear();
        SSLEngineResult result = engine.unwrap(incoming, plain);
        plain.flip();
        if (plain.hasRemaining()) {
            throw new SSLException("data before the end of the handshake");
        }
        if (result.getStatus() == Status.CLOSED) {
            throw new SSLException("the server ended TLS before it began");
        }
        if (result.getStatus() == Status.BUFFER_UNDERFLOW) {
            int read = receive();
            if (read < 0) {
                throw new EOFException("the server closed the connection in the TLS handshake");
            }
            if (read == 0) {
                socket.awaitReadable(limit);
                checkTime(limit);
            }
        }
    }

    private static void checkTime(long limit) throws SocketTimeoutException {
        if (limit - System.nanoTime() <= 0) {
            throw new SocketTimeoutException("no TLS within the time limit");
        }
    }

    /** Reads as {@link NbdSocket#read(ByteBuffer)} does. */
    int read(ByteBuffer target) throws IOException {
        int empty = 0;
        while (true) {
            if (plain.hasRemaining()) {
                return take(target);
            }
            // A record that surely fits is decrypted to where it belongs.
            boolean straight = target.remaining() >= plainSize;
            ByteBuffer to = straight ? target : plain.clear();
            SSLEngineResult result = engine.unwrap(incoming, to);
            if (!straight) {
                plain.flip();
            }
            switch (result.getStatus()) {
                case OK -> {
                    if (result.bytesProduced() > 0) {
                        if (straight) {
                            return result.bytesProduced();
                        }
                    } else if (++empty > EMPTY_RECORDS) {
                        throw new SSLException("too many TLS records without data");
                    }
                    if (engine.getHandshakeStatus() == HandshakeStatus.NEED_TASK) {
                        runTasks();
                    }
                }
                case BUFFER_UNDERFLOW -> {
                    int read = receive();
                    if (read <= 0) {
                        return read;
                    }
                }
                case CLOSED -> {
                    return -1;
                }
                case BUFFER_OVERFLOW -> throw new SSLException("a TLS record is longer than records are");
            }
        }
    }

    private int take(ByteBuffer target) {
        int length = Math.min(plain.remaining(), target.remaining());
        target.put(target.position(), plain, plain.position(), length);
        target.position(target.position() + length);
        plain.position(plain.position() + length);
        return length;
    }

    private int receive() throws IOException {
        incoming.compact();
        try {
            if (!incoming.hasRemaining()) {
                throw new SSLException("a TLS record is longer than records are");
            }
            return socket.read(incoming);
        } finally {
            incoming.flip();
        }
    }

    /** Writes what there is room for, and says whether that was all; if not, the same buffers are to be given again. */
    boolean write(ByteBuffer[] sources) throws IOException {
        while (true) {
            if (outgoing.hasRemaining()) {
                socket.write(pieces);
                if (outgoing.hasRemaining()) {
                    return false;
                }
            }
            if (!NbdWire.hasRemaining(sources)) {
                return true;
            }
            outgoing.clear();
            try {
                while (outgoing.remaining() >= recordSize && NbdWire.hasRemaining(sources)) {
                    SSLEngineResult result = engine.wrap(sources, outgoing);
                    if (result.getStatus() != Status.OK) {
                        throw new SSLException("TLS has ended");
                    }
                    if (result.bytesProduced() == 0) {
                        // The server wants to shake hands anew, which the protocol has no use for.
                        throw new SSLException("the server wants to renegotiate TLS");
                    }
                }
            } finally {
                outgoing.flip();
            }
        }
    }

    /** Says goodbye if there is room for that. */
    void sayGoodbye() throws IOException {
        engine.closeOutbound();
        if (!outgoing.hasRemaining()) {
            outgoing.clear();
            engine.wrap(ByteBuffer.allocate(0), outgoing);
            outgoing.flip();
            socket.write(pieces);
        }
    }

    private void runTasks() {
        Runnable task = engine.getDelegatedTask();
        while (task != null) {
            task.run();
            task = engine.getDelegatedTask();
        }
    }
}
