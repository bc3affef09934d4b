package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;

/**
 * A socket that never blocks in a read or a write, only while it waits for one to become possible: so waiting can have a
 * limit, {@link #close()} ends it, and an interrupted thread does not close the channel under all others. One thread
 * reads and one thread writes at a time.
 */
final class NbdSocket implements AutoCloseable {
    /** The JDK copies arrays through a native buffer as long as the request; this bounds it. */
    private static final int LONGEST_HEAP_COPY = 256 << 10;

    private final SocketChannel channel;
    private final Selector readSelector;
    private final Selector writeSelector;
    private final SelectionKey writeKey;

    private NbdSocket(SocketChannel channel, Selector readSelector, Selector writeSelector)
            throws ClosedChannelException {
        this.channel = channel;
        this.readSelector = readSelector;
        this.writeSelector = writeSelector;
        channel.register(readSelector, SelectionKey.OP_READ);
        writeKey = channel.register(writeSelector, 0);
    }

    /**
     * Connects, trying each address of a host in turn.
     *
     * @param limit when to give up, on the clock of {@link System#nanoTime()}
     * @throws SocketTimeoutException when it was given up
     */
    static NbdSocket connect(NbdAddress address, long limit) throws IOException {
        if (address.socket() != null) {
            SocketAddress target;
            try {
                target = UnixDomainSocketAddress.of(address.socket());
            } catch (IllegalArgumentException e) {
                throw new IOException("not a path for a Unix socket: " + address.socket(), e);
            }
            return connect(SocketChannel.open(StandardProtocolFamily.UNIX), target, limit);
        }
        IOException failure = null;
        InetAddress[] hosts = InetAddress.getAllByName(address.host());
        for (int i = 0; i < hosts.length; i++) {
            // An address that nobody answers at leaves time for the others.
            long now = System.nanoTime();
            long share = now + (limit - now) / (hosts.length - i);
            try {
                return connect(SocketChannel.open(), new InetSocketAddress(hosts[i], address.port()), share);
            } catch (IOException e) {
                if (failure == null) {
                    failure = e;
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        throw failure == null ? new IOException("the host has no address") : failure;
    }

    private static NbdSocket connect(SocketChannel channel, SocketAddress target, long limit) throws IOException {
        Selector readSelector = null;
        Selector writeSelector = null;
        try {
            channel.configureBlocking(false);
            readSelector = Selector.open();
            writeSelector = Selector.open();
            if (!channel.connect(target)) {
                SelectionKey key = channel.register(readSelector, SelectionKey.OP_CONNECT);
                if (!select(readSelector, limit)) {
                    throw new SocketTimeoutException("no connection within the time limit");
                }
                channel.finishConnect();
                key.interestOps(0);
            }
            if (channel.supportedOptions().contains(StandardSocketOptions.TCP_NODELAY)) {
                // Requests are 28 bytes long and must not wait for an answer to the one before.
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            }
            return new NbdSocket(channel, readSelector, writeSelector);
        } catch (IOException | RuntimeException e) {
            closeAll(e, channel, readSelector, writeSelector);
            throw e;
        }
    }

    /** Reads what is there: bytes read into both, 0 when there are none now, -1 at the end. */
    long read(ByteBuffer first, ByteBuffer second) throws IOException {
        return channel.read(new ByteBuffer[] {first, second});
    }

    /** Reads what is there: bytes read, 0 when there are none now, -1 at the end. */
    int read(ByteBuffer target) throws IOException {
        return channel.read(target);
    }

    /** Writes what there is room for; nothing when there is none now. */
    void write(ByteBuffer[] sources) throws IOException {
        for (ByteBuffer source : sources) {
            if (!source.isDirect() && source.remaining() > LONGEST_HEAP_COPY) {
                writeInPieces(sources);
                return;
            }
        }
        channel.write(sources);
    }

    private void writeInPieces(ByteBuffer[] sources) throws IOException {
        for (ByteBuffer source : sources) {
            while (source.hasRemaining()) {
                int length = Math.min(source.remaining(), LONGEST_HEAP_COPY);
                int written = channel.write(source.slice(source.position(), length));
                source.position(source.position() + written);
                if (written < length) {
                    return;
                }
            }
        }
    }

    /** Waits until there is something to read; false when the limit has come. For the thread that reads. */
    boolean awaitReadable(long limit) throws IOException {
        return select(readSelector, limit);
    }

    /**
     * Waits until there is room to write or, if that is wanted, something to read; false when the limit has come, true
     * also for no reason. For the thread that writes.
     */
    boolean awaitWritable(boolean orReadable, long limit) throws IOException {
        try {
            writeKey.interestOps(SelectionKey.OP_WRITE | (orReadable ? SelectionKey.OP_READ : 0));
        } catch (CancelledKeyException e) {
            throw closed(e);
        }
        return select(writeSelector, limit);
    }

    /** Makes the thread that waits in {@link #awaitWritable} look again. */
    void wakeWriter() {
        writeSelector.wakeup();
    }

    private static boolean select(Selector selector, long limit) throws IOException {
        boolean interrupted = false;
        try {
            while (true) {
                long left = limit - System.nanoTime();
                if (left <= 0) {
                    return false;
                }
                // Rounded up, lest the end of the wait be spent in a loop.
                int selected = selector.select(key -> {}, left / 1_000_000 + 1);
                if (!selector.isOpen()) {
                    throw new ClosedChannelException();
                }
                if (selected > 0) {
                    return true;
                }
                if (Thread.interrupted()) {
                    // Not ours to answer: whoever wants the call to end closes the connection.
                    interrupted = true;
                } else if (limit - System.nanoTime() > 0) {
                    return true;
                }
            }
        } catch (ClosedSelectorException e) {
            throw closed(e);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static ClosedChannelException closed(RuntimeException cause) {
        ClosedChannelException closed = new ClosedChannelException();
        closed.initCause(cause);
        return closed;
    }

    /** Closes it; threads that wait in other calls end with {@link ClosedChannelException}. */
    @Override
    public void close() {
        // The selectors too, and last: a channel that is registered anywhere keeps its file descriptor.
        closeAll(null, channel, readSelector, writeSelector);
    }

    private static void closeAll(@Nullable Exception reason, @Nullable AutoCloseable... all) {
        for (AutoCloseable each : all) {
            try {
                if (each != null) {
                    each.close();
                }
            } catch (Exception e) {
                if (reason != null) {
                    reason.addSuppressed(e);
                }
            }
        }
    }
}
