package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The requests that are under way on one connection, whether it is still of use, and whose turn it is to read. There is no
 * thread that reads all the time: of those that wait for an answer one reads for all, and hands the turn on when its own
 * answer has come. Safe for use by several threads.
 */
final class RequestTable {
    private final NbdWire wire;
    private final Resource resource;
    private final long requestNanos;

    /** Guards all that follows; held for moments only. */
    private final ReentrantLock lock = new ReentrantLock();

    private final Map<Long, PendingRequest> pending = new LinkedHashMap<>();
    private long lastCookie;
    /** Whether a thread reads. Only that thread touches the targets of reads. */
    private boolean reading;
    /** Whether a thread waits for room to send, but not for something to read. */
    private boolean senderWaits;

    private boolean closed;
    private boolean shuttingDown;
    private @Nullable GenieVmException failure;

    RequestTable(NbdWire wire, long requestNanos) {
        this.wire = wire;
        this.requestNanos = requestNanos;
        resource = wire.resource();
    }

    /** Whether requests may still be sent. */
    boolean isOpen() {
        lock.lock();
        try {
            return failure == null && !closed && !shuttingDown;
        } finally {
            lock.unlock();
        }
    }

    /** Why no more requests may be sent, if that is so. */
    @Nullable
    GenieVmException failure() {
        lock.lock();
        try {
            return failure == null && shuttingDown ? shuttingDown() : failure;
        } finally {
            lock.unlock();
        }
    }

    /** How many requests are under way at this moment. */
    int size() {
        lock.lock();
        try {
            return pending.size();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Enters a request that is about to be sent.
     *
     * @throws GenieVmException when nothing may be sent any more
     */
    PendingRequest add(
            int command, long offset, long length, @Nullable ByteBuffer target, @Nullable BlockStatus status) {
        lock.lock();
        try {
            checkUsable();
            PendingRequest request = new PendingRequest(
                    ++lastCookie, command, offset, length, target, status, requestNanos, lock.newCondition());
            pending.put(request.cookie, request);
            return request;
        } finally {
            lock.unlock();
        }
    }

    private void checkUsable() {
        if (closed) {
            throw closedByUser();
        }
        if (failure != null) {
            throw again(failure);
        }
        if (shuttingDown) {
            throw shuttingDown();
        }
    }

    private GenieVmException shuttingDown() {
        return new GenieVmException(
                ErrorCode.TRANSIENT_IO_ERROR, resource, "the NBD server at " + resource.name() + " is shutting down");
    }

    /** The request that an answer is for, if there is one. */
    @Nullable
    PendingRequest find(long cookie) {
        lock.lock();
        try {
            return pending.get(cookie);
        } finally {
            lock.unlock();
        }
    }

    /** Ends a request, all of whose answer has come. */
    void complete(PendingRequest request) {
        lock.lock();
        try {
            request.failure = request.refusal;
            request.done = true;
            pending.remove(request.cookie);
            request.changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more requests, as the server has said that it shuts down. Those under way go on. */
    void refuseMore() {
        lock.lock();
        try {
            shuttingDown = true;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for the answer, and meanwhile reads for all if no other thread does. Throws what the request failed with. */
    void await(PendingRequest request, ReplyReader replies) {
        boolean interrupted = false;
        lock.lock();
        try {
            while (!request.done) {
                if (!reading) {
                    reading = true;
                    lock.unlock();
                    try {
                        readUntilDone(request, replies);
                    } finally {
                        lock.lock();
                        stopReading();
                    }
                    continue;
                }
                long left = request.limit - System.nanoTime();
                request.waiting = true;
                try {
                    if (left > 0) {
                        request.changed.awaitNanos(left);
                    } else {
                        // The one who reads may be filling our buffer: it is ours again when that has ended.
                        fail(wire.tooSlow());
                        request.changed.awaitUninterruptibly();
                    }
                } catch (InterruptedException e) {
                    // Whoever wants the call to end closes the connection.
                    interrupted = true;
                } finally {
                    request.waiting = false;
                }
            }
            // Perhaps this thread was woken to read, and does not have to any more.
            wakeReader();
            if (request.failure != null) {
                throw again(request.failure);
            }
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void readUntilDone(PendingRequest request, ReplyReader replies) {
        try {
            while (!request.done) {
                replies.take(request);
            }
        } catch (IOException | RuntimeException e) {
            fail(NbdErrors.asFailure(resource, e));
        }
    }

    /**
     * For a thread that has to wait for room to send: takes the turn to read, if nobody has it, as the server may not go on
     * before its answers are taken. To be followed by {@link #stopWaitingToSend}.
     *
     * @return whether the turn was taken
     * @throws ClosedChannelException when the connection is of no use any more
     */
    boolean waitToSend() throws ClosedChannelException {
        lock.lock();
        try {
            if (failure != null || closed) {
                throw new ClosedChannelException();
            }
            boolean reads = !reading;
            reading = true;
            senderWaits = !reads;
            return reads;
        } finally {
            lock.unlock();
        }
    }

    void stopWaitingToSend(boolean reads) {
        lock.lock();
        try {
            senderWaits = false;
            if (reads) {
                stopReading();
            }
        } finally {
            lock.unlock();
        }
    }

    /** Hands reading over. With the lock held. */
    private void stopReading() {
        reading = false;
        if (failure != null) {
            failAll();
        }
        wakeReader();
    }

    private void wakeReader() {
        if (reading) {
            return;
        }
        for (PendingRequest each : pending.values()) {
            if (each.waiting) {
                each.changed.signal();
                return;
            }
        }
        if (senderWaits) {
            wire.wakeWriter();
        }
    }

    /** Makes the connection useless. Requests fail at once, or when the thread that reads has seen it. */
    void fail(GenieVmException reason) {
        lock.lock();
        try {
            if (failure == null) {
                failure = closed ? closedByUser() : reason;
            }
            if (!reading) {
                failAll();
            }
        } finally {
            lock.unlock();
        }
        wire.close();
    }

    private void failAll() {
        for (PendingRequest each : pending.values()) {
            each.failure = failure;
            each.done = true;
            each.changed.signal();
        }
        pending.clear();
    }

    /** Takes no more requests, as the user has closed the connection; to be followed by {@link #fail}. */
    Closing close() {
        lock.lock();
        try {
            if (closed) {
                return Closing.CLOSED_BEFORE;
            }
            closed = true;
            if (failure != null) {
                return Closing.IN_USE;
            }
            failure = closedByUser();
            return pending.isEmpty() ? Closing.IDLE : Closing.IN_USE;
        } finally {
            lock.unlock();
        }
    }

    /** In which state a connection was when it was closed. */
    enum Closing {
        /** Nothing is left to do. */
        CLOSED_BEFORE,
        /** The server waits for requests, and can be told that no more will come. */
        IDLE,
        /** Requests are under way, or the connection has failed. */
        IN_USE
    }

    GenieVmException closedByUser() {
        return new GenieVmException(ErrorCode.CLOSED, resource, "the connection to " + resource.name() + " is closed");
    }

    /** An exception of its own for each call that fails, with the stack of its own. */
    private static GenieVmException again(GenieVmException e) {
        return new GenieVmException(e.code(), e.resource(), String.valueOf(e.getMessage()), e);
    }
}
