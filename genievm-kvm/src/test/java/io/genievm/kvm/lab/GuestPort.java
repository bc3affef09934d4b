package io.genievm.kvm.lab;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;

/** One serial port of a guest, from outside. Each answer is waited for no longer than was said. */
final class GuestPort implements AutoCloseable {
    private final SocketChannel channel;
    private final Selector selector;
    private final SelectionKey key;
    private final ByteBuffer received = ByteBuffer.allocate(64 << 10).flip();

    GuestPort(Path socket) throws IOException {
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        selector = Selector.open();
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            key = channel.register(selector, 0);
        } catch (IOException e) {
            close();
            throw e;
        }
    }

    void send(byte[] bytes, Duration limit) throws IOException {
        ByteBuffer rest = ByteBuffer.wrap(bytes);
        long end = System.nanoTime() + limit.toNanos();
        while (rest.hasRemaining()) {
            if (channel.write(rest) == 0) {
                await(SelectionKey.OP_WRITE, end);
            }
        }
    }

    String readLine(Duration limit) throws IOException {
        StringBuilder line = new StringBuilder();
        long end = System.nanoTime() + limit.toNanos();
        while (true) {
            byte next = read(end);
            if (next == '\n') {
                return line.toString();
            }
            line.append((char) next);
        }
    }

    String read(int length, Duration limit) throws IOException {
        byte[] bytes = new byte[length];
        long end = System.nanoTime() + limit.toNanos();
        for (int i = 0; i < length; i++) {
            bytes[i] = read(end);
        }
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private byte read(long end) throws IOException {
        while (!received.hasRemaining()) {
            received.clear();
            int count;
            try {
                count = channel.read(received);
            } finally {
                received.flip();
            }
            if (count < 0) {
                throw new EOFException("the guest has stopped");
            }
            if (count == 0) {
                await(SelectionKey.OP_READ, end);
            }
        }
        return received.get();
    }

    private void await(int operation, long end) throws IOException {
        long rest = end - System.nanoTime();
        if (rest <= 0) {
            throw new IOException("the guest does not answer in time");
        }
        try {
            key.interestOps(operation);
            selector.select(Math.max(1, rest / 1_000_000));
            selector.selectedKeys().clear();
        } catch (ClosedSelectorException | CancelledKeyException e) {
            throw new EOFException("the port was closed");
        }
    }

    @Override
    public void close() {
        try {
            channel.close();
            selector.close();
        } catch (IOException e) {
            // Nothing of it is needed any more.
        }
    }
}
