package io.genievm.kvm.internal.nbd;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** A server in this process that does what a script says, right or wrong, with each connection. */
final class ScriptedServer implements AutoCloseable {
    /** What is done with one connection; it is closed when this returns. */
    interface Script {
        void run(Peer peer) throws IOException, InterruptedException;
    }

    private final ServerSocketChannel listener;
    private final NbdAddress address;
    private final List<Thread> threads = Collections.synchronizedList(new ArrayList<>());
    private final List<SocketChannel> channels = Collections.synchronizedList(new ArrayList<>());
    private volatile @Nullable Throwable fault;

    ScriptedServer(Path socket, Script script) throws IOException {
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        address = NbdAddress.unix(socket, "");
        start(() -> {
            while (true) {
                SocketChannel channel = listener.accept();
                channels.add(channel);
                start(() -> {
                    try (channel) {
                        script.run(new Peer(channel));
                    } finally {
                        channels.remove(channel);
                    }
                });
            }
        });
    }

    private interface Action {
        void run() throws Exception;
    }

    private void start(Action action) {
        Thread thread = new Thread(
                () -> {
                    try {
                        action.run();
                    } catch (ClosedChannelException | EOFException e) {
                        // The other side has gone, or the test has ended.
                    } catch (IOException e) {
                        // So it has, with a reset.
                    } catch (Throwable e) {
                        fault = e;
                    } finally {
                        threads.remove(Thread.currentThread());
                    }
                },
                "scripted server");
        threads.add(thread);
        thread.start();
    }

    NbdAddress address() {
        return address;
    }

    /** Ends it and waits for its threads; what the script found wrong is thrown. */
    @Override
    public void close() {
        try {
            listener.close();
            for (SocketChannel channel : List.copyOf(channels)) {
                channel.close();
            }
            for (Thread thread : List.copyOf(threads)) {
                thread.interrupt();
                thread.join(TimeUnit.SECONDS.toMillis(20));
                if (thread.isAlive()) {
                    throw new AssertionError("the script does not end");
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (fault != null) {
            throw new AssertionError("the script failed", fault);
        }
    }

    /** The server's side of a connection. */
    static final class Peer {
        final SocketChannel channel;
        final DataInputStream in;
        final DataOutputStream out;
        private final ByteArrayOutputStream message = new ByteArrayOutputStream();

        private Peer(SocketChannel channel) {
            this.channel = channel;
            in = new DataInputStream(Channels.newInputStream(channel));
            out = new DataOutputStream(message);
        }

        /** Sends what has been written to {@link #out}. */
        void send() throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(message.toByteArray());
            message.reset();
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        /** Does nothing until the server is closed. */
        void awaitClose() {
            while (!Thread.currentThread().isInterrupted()) {
                LockSupport.park(this);
            }
        }

        /** Reads and forgets everything until the client has gone. */
        void drain() throws IOException {
            byte[] bytes = new byte[8192];
            while (in.read(bytes) >= 0) {
                // Forgotten.
            }
        }

        void greet(int flags) throws IOException {
            out.writeLong(NbdProtocol.MAGIC);
            out.writeLong(NbdProtocol.OPTION_MAGIC);
            out.writeShort(flags);
            send();
            in.readInt();
        }

        /** Reads an option, and gives its number; its data is in {@link #optionData}. */
        int option() throws IOException {
            long magic = in.readLong();
            if (magic != NbdProtocol.OPTION_MAGIC) {
                throw new AssertionError("not an option: " + Long.toHexString(magic));
            }
            int option = in.readInt();
            optionData = new byte[in.readInt()];
            in.readFully(optionData);
            return option;
        }

        byte[] optionData = {};

        void reply(int option, int type, byte... data) throws IOException {
            replyHead(option, type, data.length);
            out.write(data);
        }

        void replyHead(int option, int type, int length) throws IOException {
            out.writeLong(NbdProtocol.OPTION_REPLY_MAGIC);
            out.writeInt(option);
            out.writeInt(type);
            out.writeInt(length);
        }

        void info(int option, long size, int flags) throws IOException {
            replyHead(option, NbdProtocol.REPLY_INFO, 12);
            out.writeShort(NbdProtocol.INFO_EXPORT);
            out.writeLong(size);
            out.writeShort(flags);
        }

        void blockSizes(int option, int minimum, int preferred, int maximum) throws IOException {
            replyHead(option, NbdProtocol.REPLY_INFO, 14);
            out.writeShort(NbdProtocol.INFO_BLOCK_SIZE);
            out.writeInt(minimum);
            out.writeInt(preferred);
            out.writeInt(maximum);
        }

        void context(int option, int id, String name) throws IOException {
            byte[] encoded = name.getBytes(StandardCharsets.UTF_8);
            replyHead(option, NbdProtocol.REPLY_META_CONTEXT, 4 + encoded.length);
            out.writeInt(id);
            out.write(encoded);
        }

        /** Everything up to the first request, as a good server does it, with blocks of 1 byte. */
        void negotiate(long size, int flags, boolean structured) throws IOException {
            greet(NbdProtocol.HANDSHAKE_FIXED_NEWSTYLE | NbdProtocol.HANDSHAKE_NO_ZEROES);
            while (true) {
                int option = option();
                boolean go = option == NbdProtocol.OPTION_GO;
                if (go) {
                    info(option, size, flags | NbdProtocol.FLAG_HAS_FLAGS);
                    blockSizes(option, 1, 4096, 32 << 20);
                }
                if (option == NbdProtocol.OPTION_SET_META_CONTEXT) {
                    context(option, 7, NbdOptions.ALLOCATION);
                    context(option, 9, "qemu:dirty-bitmap:since");
                }
                boolean refused = option == NbdProtocol.OPTION_STRUCTURED_REPLY && !structured;
                reply(option, refused ? NbdProtocol.REPLY_ERROR_UNSUPPORTED : NbdProtocol.REPLY_ACK);
                send();
                if (go) {
                    return;
                }
            }
        }

        /** Reads the head of a request; the data of a write is read with it. */
        Request request() throws IOException {
            int magic = in.readInt();
            if (magic != NbdProtocol.REQUEST_MAGIC) {
                throw new AssertionError("not a request: " + Integer.toHexString(magic));
            }
            in.readShort();
            Request request = new Request(in.readShort(), in.readLong(), in.readLong(), in.readInt(), new byte[0]);
            if (request.command != NbdProtocol.COMMAND_WRITE) {
                return request;
            }
            byte[] data = new byte[request.length];
            in.readFully(data);
            return new Request(request.command, request.cookie, request.offset, request.length, data);
        }

        void simple(long cookie, int error) throws IOException {
            out.writeInt(NbdProtocol.SIMPLE_REPLY_MAGIC);
            out.writeInt(error);
            out.writeLong(cookie);
        }

        void chunk(long cookie, int flags, int type, int length) throws IOException {
            out.writeInt(NbdProtocol.STRUCTURED_REPLY_MAGIC);
            out.writeShort(flags);
            out.writeShort(type);
            out.writeLong(cookie);
            out.writeInt(length);
        }

        void data(long cookie, int flags, long offset, byte[] bytes) throws IOException {
            chunk(cookie, flags, NbdProtocol.CHUNK_OFFSET_DATA, 8 + bytes.length);
            out.writeLong(offset);
            out.write(bytes);
        }

        void hole(long cookie, int flags, long offset, int length) throws IOException {
            chunk(cookie, flags, NbdProtocol.CHUNK_OFFSET_HOLE, 12);
            out.writeLong(offset);
            out.writeInt(length);
        }

        /** A block status chunk; pairs of length and flags. */
        void status(long cookie, int flags, int context, int... runs) throws IOException {
            chunk(cookie, flags, NbdProtocol.CHUNK_BLOCK_STATUS, 4 + 4 * runs.length);
            out.writeInt(context);
            for (int each : runs) {
                out.writeInt(each);
            }
        }

        void error(long cookie, int flags, int error, String words) throws IOException {
            byte[] encoded = words.getBytes(StandardCharsets.UTF_8);
            chunk(cookie, flags, NbdProtocol.CHUNK_ERROR, 6 + encoded.length);
            out.writeInt(error);
            out.writeShort(encoded.length);
            out.write(encoded);
        }
    }

    /** A request as the server sees it. */
    record Request(int command, long cookie, long offset, int length, byte[] data) {}
}
