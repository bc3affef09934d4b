package io.genievm.kvm.internal.libvirt;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Stands between a client and a daemon on a Unix socket, so that a test can cut the connections. */
final class SocketRelay implements AutoCloseable {
    private final Path daemon;
    private final ServerSocketChannel server;
    private final List<SocketChannel> open = new ArrayList<>();
    private int connections;

    SocketRelay(Path socket, Path daemon) throws IOException {
        this.daemon = daemon;
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        start(this::accept);
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work, "relay");
        thread.setDaemon(true);
        thread.start();
    }

    private void accept() {
        try {
            while (true) {
                SocketChannel client = server.accept();
                SocketChannel upstream = SocketChannel.open(UnixDomainSocketAddress.of(daemon));
                synchronized (this) {
                    connections++;
                    open.add(client);
                    open.add(upstream);
                }
                start(() -> copy(client, upstream));
                start(() -> copy(upstream, client));
            }
        } catch (IOException e) {
            // closed
        }
    }

    private static void copy(SocketChannel from, SocketChannel to) {
        ByteBuffer buffer = ByteBuffer.allocate(64 << 10);
        try (from;
                to) {
            while (from.read(buffer) >= 0) {
                buffer.flip();
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
                buffer.clear();
            }
        } catch (IOException e) {
            // cut
        }
    }

    /** How many connections there have been. */
    synchronized int connections() {
        return connections;
    }

    /** How many there are. */
    synchronized long openConnections() {
        return open.stream().filter(SocketChannel::isOpen).count() / 2;
    }

    /** Cuts all connections. */
    synchronized void cut() {
        for (SocketChannel each : open) {
            try {
                each.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        open.clear();
    }

    @Override
    public void close() throws IOException {
        server.close();
        cut();
    }

    /** The socket of the daemon for QEMU. */
    static Path daemonSocket() {
        Path modular = Path.of("/run/libvirt/virtqemud-sock");
        return Files.exists(modular) ? modular : Path.of("/run/libvirt/libvirt-sock");
    }
}
