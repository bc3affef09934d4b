package io.genievm.kvm.internal.nbd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Sends the requests of one connection, one after another. Safe for use by several threads. */
final class RequestSender {
    private static final Logger LOG = LoggerFactory.getLogger(RequestSender.class);

    private static final int REQUEST_HEADER = 28;

    private final NbdWire wire;
    private final RequestTable table;
    private final ReplyReader replies;
    private final long silenceNanos;

    /** Held while a request is sent; never asked for with the lock of the table held. */
    private final ReentrantLock sending = new ReentrantLock();

    private final ByteBuffer header = ByteBuffer.allocateDirect(REQUEST_HEADER);

    RequestSender(NbdWire wire, RequestTable table, ReplyReader replies, long silenceNanos) {
        this.wire = wire;
        this.table = table;
        this.replies = replies;
        this.silenceNanos = silenceNanos;
    }

    /** Sends a request; when that fails, the request has failed, which is told when it is waited for. */
    PendingRequest send(
            int command,
            long offset,
            long length,
            ByteBuffer payload,
            @Nullable ByteBuffer target,
            @Nullable BlockStatus status) {
        sending.lock();
        try {
            PendingRequest request = table.add(command, offset, length, target, status);
            header.clear();
            header.putInt(NbdProtocol.REQUEST_MAGIC)
                    .putShort((short) 0)
                    .putShort((short) command)
                    .putLong(request.cookie)
                    .putLong(offset)
                    .putInt((int) length)
                    .flip();
            try {
                send(request, new ByteBuffer[] {header, payload});
            } catch (IOException | RuntimeException e) {
                table.fail(NbdErrors.asFailure(wire.resource(), e));
            }
            return request;
        } finally {
            sending.unlock();
        }
    }

    /** Sends a message. While there is no room, answers are read: the server may wait for that to go on. */
    private void send(PendingRequest request, ByteBuffer[] parts) throws IOException {
        long left = -1;
        long silentSince = request.made;
        while (!wire.write(parts)) {
            long remaining = (long) parts[0].remaining() + parts[1].remaining();
            if (remaining != left) {
                left = remaining;
                silentSince = System.nanoTime();
            }
            long silent = silentSince + silenceNanos;
            long until = silent - request.limit < 0 ? silent : request.limit;
            boolean reads = table.waitToSend();
            boolean inTime = true;
            try {
                // Only when a message has begun: a server that wants to read first would never go on with one.
                if (reads && wire.poll()) {
                    replies.take(request);
                } else {
                    inTime = wire.awaitWritable(reads, until);
                }
            } finally {
                table.stopWaitingToSend(reads);
            }
            if (!inTime) {
                throw silent - request.limit < 0 ? wire.silent(silenceNanos) : wire.tooSlow();
            }
        }
    }

    /** Tells a server that waits for requests that no more will come, unless another thread is just sending one. */
    void sayGoodbye() {
        if (!sending.tryLock()) {
            return;
        }
        try {
            ByteBuffer message = ByteBuffer.allocate(REQUEST_HEADER);
            message.putInt(NbdProtocol.REQUEST_MAGIC)
                    .putShort((short) 0)
                    .putShort((short) NbdProtocol.COMMAND_DISCONNECT)
                    .position(0);
            wire.sayGoodbye(message);
        } catch (IOException | RuntimeException e) {
            LOG.debug("{}: no goodbye", wire.resource().name(), e);
        } finally {
            sending.unlock();
        }
    }
}
