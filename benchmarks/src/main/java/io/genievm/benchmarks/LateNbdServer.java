package io.genievm.benchmarks;

import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * An NBD server on a Unix socket whose every answer comes some time after its request, however many are under way: as a
 * disk or a network is late, and not as a slow processor. It serves what QEMU does for a backup: reads with structured
 * replies, over several connections, and {@code base:allocation}, by which every second range of {@link #GRAIN} bytes is a
 * hole. Once a connection is there it allocates nothing.
 */
final class LateNbdServer implements AutoCloseable {
    /** Bytes of a range that is allocated, and of a hole. */
    static final int GRAIN = 1 << 16;

    private static final long MAGIC = 0x4e42444d41474943L;
    private static final long OPTION_MAGIC = 0x49484156454F5054L;
    private static final long OPTION_REPLY_MAGIC = 0x0003e889045565a9L;
    private static final int REPLY_MAGIC = 0x668e33ef;
    private static final int FIXED_NEWSTYLE_NO_ZEROES = 3;
    private static final int GO = 7;
    private static final int STRUCTURED_REPLY = 8;
    private static final int SET_META_CONTEXT = 10;
    private static final int ACK = 1;
    private static final int INFO = 3;
    private static final int META_CONTEXT = 4;
    private static final int UNSUPPORTED = (1 << 31) + 1;
    private static final int READ = 0;
    private static final int DISCONNECT = 2;
    private static final int BLOCK_STATUS = 7;
    private static final int DONE = 1;
    private static final int OFFSET_DATA = 1;
    private static final int STATUS = 5;
    private static final int READ_ONLY_FLAGS = 1 | 1 << 1 | 1 << 8;
    private static final int HOLE_OF_ZEROES = 3;
    private static final int CONTEXT = 1;
    private static final int MOST_RANGES = 1 << 15;

    private final ServerSocketChannel listener;
    private final Path socket;
    private final long size;
    private final ByteBuffer content;
    private final long delayNanos;
    private final List<SocketChannel> connections = new CopyOnWriteArrayList<>();

    /**
     * Starts a server.
     *
     * @param socket where it listens; removed when it is closed
     * @param size of the export in bytes
     * @param content a direct buffer of whole MiB that the export consists of, again and again; no read goes over its end
     * @param delayMicros how long every answer takes
     */
    LateNbdServer(Path socket, long size, ByteBuffer content, long delayMicros) throws IOException {
        this.socket = socket;
        this.size = size;
        this.content = content;
        this.delayNanos = TimeUnit.MICROSECONDS.toNanos(delayMicros);
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        start(() -> {
            while (true) {
                SocketChannel connection = listener.accept();
                connections.add(connection);
                start(() -> new Connection(connection).serve());
            }
        });
    }

    @Override
    public void close() throws IOException {
        listener.close();
        for (SocketChannel connection : connections) {
            connection.close();
        }
        Files.deleteIfExists(socket);
    }

    private interface Work {
        void run() throws IOException;
    }

    private static void start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (IOException e) {
                // The client has gone, or this server is being closed; a benchmark whose server failed finds out
                // itself.
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    /** One client. One thread takes requests, another answers them in turn, each when its time has come. */
    private final class Connection {
        private static final int QUEUE = 256;

        private final SocketChannel channel;
        private final ByteBuffer in = ByteBuffer.allocateDirect(1 << 16).limit(0);
        private final ByteBuffer out = ByteBuffer.allocateDirect(64 + 8 * MOST_RANGES);
        private final ByteBuffer data = content.duplicate();
        private final int[] commands = new int[QUEUE];
        private final long[] cookies = new long[QUEUE];
        private final long[] offsets = new long[QUEUE];
        private final int[] lengths = new int[QUEUE];
        private final long[] times = new long[QUEUE];
        private int taken;
        private int answered;

        Connection(SocketChannel channel) {
            this.channel = channel;
        }

        void serve() throws IOException {
            negotiate();
            start(this::answer);
            while (true) {
                need(28);
                in.getInt();
                in.getShort();
                int command = in.getShort();
                long cookie = in.getLong();
                long offset = in.getLong();
                int length = in.getInt();
                add(command, cookie, offset, length);
                if (command == DISCONNECT) {
                    return;
                }
            }
        }

        private void negotiate() throws IOException {
            out.putLong(MAGIC).putLong(OPTION_MAGIC).putShort((short) FIXED_NEWSTYLE_NO_ZEROES);
            send();
            need(4);
            in.getInt();
            int option;
            do {
                need(16);
                in.getLong();
                option = in.getInt();
                int length = in.getInt();
                need(length);
                in.position(in.position() + length);
                if (option == SET_META_CONTEXT) {
                    byte[] name = "base:allocation".getBytes(StandardCharsets.US_ASCII);
                    reply(option, META_CONTEXT, 4 + name.length);
                    out.putInt(CONTEXT).put(name);
                } else if (option == GO) {
                    reply(option, INFO, 12);
                    out.putShort((short) 0).putLong(size).putShort((short) READ_ONLY_FLAGS);
                }
                boolean known = option == GO || option == STRUCTURED_REPLY || option == SET_META_CONTEXT;
                reply(option, known ? ACK : UNSUPPORTED, 0);
                send();
            } while (option != GO);
        }

        private void reply(int option, int type, int length) {
            out.putLong(OPTION_REPLY_MAGIC).putInt(option).putInt(type).putInt(length);
        }

        private synchronized void add(int command, long cookie, long offset, int length) {
            while (taken - answered == QUEUE) {
                await();
            }
            int slot = taken % QUEUE;
            commands[slot] = command;
            cookies[slot] = cookie;
            offsets[slot] = offset;
            lengths[slot] = length;
            times[slot] = System.nanoTime() + delayNanos;
            taken++;
            notifyAll();
        }

        private void answer() throws IOException {
            while (true) {
                int slot = next();
                if (commands[slot] == DISCONNECT) {
                    channel.close();
                    return;
                }
                for (long left = times[slot] - System.nanoTime(); left > 0; left = times[slot] - System.nanoTime()) {
                    LockSupport.parkNanos(left);
                }
                if (commands[slot] == READ) {
                    answerRead(cookies[slot], offsets[slot], lengths[slot]);
                } else if (commands[slot] == BLOCK_STATUS) {
                    answerStatus(cookies[slot], offsets[slot], Integer.toUnsignedLong(lengths[slot]));
                }
                free();
            }
        }

        private synchronized int next() {
            while (taken == answered) {
                await();
            }
            return answered % QUEUE;
        }

        private synchronized void free() {
            answered++;
            notifyAll();
        }

        private void await() {
            try {
                wait();
            } catch (InterruptedException e) {
                throw new IllegalStateException("nobody interrupts these threads", e);
            }
        }

        private void answerRead(long cookie, long offset, int length) throws IOException {
            chunk(OFFSET_DATA, cookie, 8 + length);
            out.putLong(offset);
            send();
            int start = (int) (offset % content.capacity());
            data.limit(start + length).position(start);
            while (data.hasRemaining()) {
                channel.write(data);
            }
        }

        private void answerStatus(long cookie, long offset, long length) throws IOException {
            long end = Math.min(Math.min(size, offset + length), offset + (long) (MOST_RANGES - 1) * GRAIN);
            long first = offset / GRAIN;
            long behind = (end + GRAIN - 1) / GRAIN;
            chunk(STATUS, cookie, 4 + 8 * (int) (behind - first));
            out.putInt(CONTEXT);
            for (long range = first; range < behind; range++) {
                long from = Math.max(offset, range * GRAIN);
                out.putInt((int) (Math.min(end, (range + 1) * GRAIN) - from))
                        .putInt(range % 2 == 0 ? 0 : HOLE_OF_ZEROES);
            }
            send();
        }

        private void chunk(int type, long cookie, int length) {
            out.putInt(REPLY_MAGIC)
                    .putShort((short) DONE)
                    .putShort((short) type)
                    .putLong(cookie)
                    .putInt(length);
        }

        private void send() throws IOException {
            out.flip();
            while (out.hasRemaining()) {
                channel.write(out);
            }
            out.clear();
        }

        /** Has at least so many bytes to read. */
        private void need(int length) throws IOException {
            if (in.remaining() >= length) {
                return;
            }
            in.compact();
            while (in.position() < length) {
                if (channel.read(in) < 0) {
                    throw new EOFException();
                }
            }
            in.flip();
        }
    }
}
