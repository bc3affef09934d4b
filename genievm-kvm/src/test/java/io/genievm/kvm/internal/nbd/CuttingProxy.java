package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Stands between a client and a real server, and can cut single connections, as a server that kills one does. */
final class CuttingProxy implements AutoCloseable {
    private final ServerSocketChannel listener;
    private final NbdAddress address;
    private volatile Path server;
    private final List<SocketChannel[]> pairs = new ArrayList<>();

    CuttingProxy(Path socket, Path server) throws IOException {
        this.server = server;
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        address = NbdAddress.unix(socket, "");
        start(() -> {
            while (true) {
                accept(listener.accept());
            }
        });
    }

    private interface Action {
        void run() throws IOException;
    }

    private static void start(Action action) {
        Thread thread = new Thread(
                () -> {
                    try {
                        action.run();
                    } catch (IOException e) {
                        // One of both has gone, or the test has ended.
                    }
                },
                "cutting proxy");
        thread.setDaemon(true);
        thread.start();
    }

    private void accept(SocketChannel client) throws IOException {
        SocketChannel behind;
        try {
            behind = SocketChannel.open(UnixDomainSocketAddress.of(server));
        } catch (IOException e) {
            client.close();
            return;
        }
        synchronized (this) {
            pairs.add(new SocketChannel[] {client, behind});
        }
        start(() -> pump(client, behind));
        start(() -> pump(behind, client));
    }

    private static void pump(SocketChannel from, SocketChannel to) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(256 << 10);
        try (from;
                to) {
            while (from.read(buffer.clear()) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
            }
        }
    }

    NbdAddress address() {
        return address;
    }

    /** Whom later connections go to. */
    void redirect(Path other) {
        server = other;
    }

    /** How many connections were made so far. */
    synchronized int accepted() {
        return pairs.size();
    }

    /** Cuts one connection, in the order in which they were made. */
    void cut(int number) throws IOException {
        SocketChannel[] pair;
        synchronized (this) {
            pair = pairs.get(number);
        }
        pair[0].close();
        pair[1].close();
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (int i = 0; i < accepted(); i++) {
            cut(i);
        }
    }
}
