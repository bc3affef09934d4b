package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.Extent;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection to one export. Any number of threads may call at a time: their requests are under way at the same time,
 * and one of the threads that wait reads the answers of all. There is no thread of its own.
 *
 * <p>A request that the server refuses fails alone. When the server breaks the protocol, keeps silent for too long or goes
 * away, all requests fail and the connection is of no use any more. A thread that is interrupted finishes its call; what
 * ends a call before its time is {@link #close()}.
 */
public final class NbdConnection implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(NbdConnection.class);

    /** Long reads and writes are made of requests of this size, so that the server works while data is on its way. */
    private static final int PIECE = 1 << 20;
    /** How many requests one call has under way. */
    private static final int WINDOW = 16;
    /** The longest request without data, and a multiple of every block size. */
    private static final long LONGEST_RANGE = 1L << 30;

    private static final int REQUEST_HEADER = 28;
    /** Zeroes for servers that have to be sent them. */
    private static final ByteBuffer ZEROES =
            ByteBuffer.allocateDirect(256 << 10).asReadOnlyBuffer();

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final NbdOptions options;
    private final NbdWire wire;
    private final NbdExport export;
    private final int[] contextIds;
    private final Resource resource;
    private final long silenceNanos;
    private final long requestNanos;

    /** Held while a request is sent; never asked for with {@link #lock} held. */
    private final ReentrantLock sending = new ReentrantLock();

    private final ByteBuffer header = ByteBuffer.allocateDirect(REQUEST_HEADER);

    /** Guards what follows; held for moments only. */
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

    private NbdConnection(NbdOptions options, NbdWire wire, NbdExport export, int[] contextIds) {
        this.options = options;
        this.wire = wire;
        this.export = export;
        this.contextIds = contextIds;
        resource = wire.resource();
        silenceNanos = options.silenceLimit().toNanos();
        requestNanos = options.requestLimit().toNanos();
    }

    /**
     * Connects and opens the export, within the limits of the options.
     *
     * @throws GenieVmException with {@code NOT_FOUND}, {@code ACCESS_DENIED}, also when the server's certificate can not
     *     be trusted, {@code UNSUPPORTED}, {@code TRANSIENT_IO_ERROR} or {@link NbdErrors#PROTOCOL_BROKEN}
     */
    public static NbdConnection open(NbdAddress address, NbdOptions options) {
        return connect(address, options, (handshake, wire) -> {
            NbdExport export = handshake.open();
            LOG.debug("{}: {}", address, export);
            return new NbdConnection(options, wire, export, handshake.contextIds());
        });
    }

    /**
     * Asks a server which metadata contexts an export has.
     *
     * @param query such as {@code qemu:dirty-bitmap:}; empty for all
     * @return their names; none when the server does not know metadata contexts
     * @throws GenieVmException as {@link #open} does
     */
    public static List<String> listContexts(NbdAddress address, NbdOptions options, String query) {
        return connect(address, options, (handshake, wire) -> {
            List<String> names = handshake.listContexts(query);
            wire.close();
            return names;
        });
    }

    private interface Negotiation<T> {
        T run(NbdHandshake handshake, NbdWire wire) throws IOException;
    }

    private static <T> T connect(NbdAddress address, NbdOptions options, Negotiation<T> negotiation) {
        long limit = System.nanoTime() + options.connectLimit().toNanos();
        try {
            return connect(address, options, negotiation, NbdTls.FIRST_PROTOCOL, limit);
        } catch (TlsRefusedException e) {
            LOG.debug("{}: not with {}", address, NbdTls.FIRST_PROTOCOL, e);
        } catch (SSLException e) {
            throw noTls(address.resource(), e);
        }
        try {
            return connect(address, options, negotiation, NbdTls.SECOND_PROTOCOL, limit);
        } catch (SSLException e) {
            if (e.getCause() instanceof IOException cause && !(cause instanceof SSLException)) {
                throw lost(address.resource(), cause);
            }
            throw noTls(address.resource(), e);
        }
    }

    private static <T> T connect(
            NbdAddress address, NbdOptions options, Negotiation<T> negotiation, String tlsProtocol, long limit)
            throws SSLException {
        Resource resource = address.resource();
        NbdSocket socket;
        try {
            socket = NbdSocket.connect(address, limit);
        } catch (IOException e) {
            throw noConnection(resource, e);
        } catch (RuntimeException e) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT, resource, "can not connect to " + address + ": " + e.getMessage(), e);
        }
        NbdWire wire = new NbdWire(socket, resource);
        wire.setLimits(
                System.nanoTime(),
                Math.min(
                        options.silenceLimit().toNanos(), options.connectLimit().toNanos()),
                limit);
        boolean opened = false;
        try {
            T result = negotiation.run(new NbdHandshake(address, options, wire, tlsProtocol), wire);
            opened = true;
            return result;
        } catch (SSLException e) {
            throw e;
        } catch (IOException e) {
            throw lost(resource, e);
        } finally {
            if (!opened) {
                wire.close();
            }
        }
    }

    private static GenieVmException noTls(Resource resource, SSLException cause) {
        return new GenieVmException(
                ErrorCode.ACCESS_DENIED,
                resource,
                "no TLS with the NBD server at " + resource.name() + ": " + cause.getMessage(),
                cause);
    }

    private static GenieVmException noConnection(Resource resource, IOException cause) {
        ErrorCode code = ErrorCode.TRANSIENT_IO_ERROR;
        String reason = String.valueOf(cause.getMessage());
        if (cause instanceof UnknownHostException) {
            code = ErrorCode.NOT_FOUND;
            reason = "the host is not known";
        } else if (!(cause instanceof SocketTimeoutException) && reason.contains("No such file")) {
            code = ErrorCode.NOT_FOUND;
        } else if (reason.contains("Permission denied")) {
            code = ErrorCode.ACCESS_DENIED;
        }
        return new GenieVmException(
                code, resource, "can not connect to the NBD server at " + resource.name() + ": " + reason, cause);
    }

    private static GenieVmException lost(Resource resource, IOException cause) {
        return new GenieVmException(
                ErrorCode.TRANSIENT_IO_ERROR,
                resource,
                "the connection to the NBD server at " + resource.name() + " is lost: "
                        + (cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage()),
                cause);
    }

    /** What the server said of the export. */
    public NbdExport export() {
        return export;
    }

    /** Whether requests may still be sent. */
    public boolean isOpen() {
        lock.lock();
        try {
            return failure == null && !closed && !shuttingDown;
        } finally {
            lock.unlock();
        }
    }

    /** How many requests are under way at this moment. */
    public int pendingRequests() {
        lock.lock();
        try {
            return pending.size();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Fills a buffer, best a direct one, from its position to its limit.
     *
     * @throws GenieVmException with {@code CLOSED}, or what the server refused it with, or why the connection is of no use
     * @throws IllegalArgumentException when the range is not inside the export or not of whole blocks
     */
    public void read(long offset, ByteBuffer target) {
        check(offset, target.remaining());
        int start = target.position();
        inPieces(
                offset,
                target.remaining(),
                piece(),
                (at, length) -> submit(
                        NbdProtocol.COMMAND_READ,
                        at,
                        length,
                        NOTHING,
                        target.slice(start + (int) (at - offset), (int) length),
                        null));
        target.position(target.limit());
    }

    /**
     * Writes a buffer from its position to its limit.
     *
     * @throws GenieVmException with {@code CLOSED}, or what the server refused it with, {@code ACCESS_DENIED} for an export
     *     that is read-only, or why the connection is of no use
     * @throws IllegalArgumentException when the range is not inside the export or not of whole blocks
     */
    public void write(long offset, ByteBuffer source) {
        check(offset, source.remaining());
        checkWritable();
        int start = source.position();
        inPieces(
                offset,
                source.remaining(),
                piece(),
                (at, length) -> submit(
                        NbdProtocol.COMMAND_WRITE,
                        at,
                        length,
                        source.slice(start + (int) (at - offset), (int) length),
                        null,
                        null));
        source.position(source.limit());
    }

    /**
     * Makes a range read as zeroes; the server may make a hole of it. Where the server can not, zeroes are written.
     *
     * @throws GenieVmException as {@link #write} does
     * @throws IllegalArgumentException when the range is not inside the export or not of whole blocks
     */
    public void writeZeroes(long offset, long length) {
        check(offset, length);
        checkWritable();
        if (export.canWriteZeroes()) {
            inPieces(
                    offset,
                    length,
                    LONGEST_RANGE,
                    (at, part) -> submit(NbdProtocol.COMMAND_WRITE_ZEROES, at, part, NOTHING, null, null));
        } else {
            inPieces(
                    offset,
                    length,
                    Math.min(ZEROES.capacity(), piece()),
                    (at, part) -> submit(NbdProtocol.COMMAND_WRITE, at, part, ZEROES.slice(0, (int) part), null, null));
        }
    }

    /**
     * Tells the server that nobody needs a range any more; what it reads as then is not known.
     *
     * @throws GenieVmException as {@link #write} does, and with {@code UNSUPPORTED} when the server does not have it
     * @throws IllegalArgumentException when the range is not inside the export or not of whole blocks
     */
    public void trim(long offset, long length) {
        check(offset, length);
        checkWritable();
        if (!export.canTrim()) {
            throw unsupported("trim");
        }
        inPieces(
                offset,
                length,
                LONGEST_RANGE,
                (at, part) -> submit(NbdProtocol.COMMAND_TRIM, at, part, NOTHING, null, null));
    }

    /**
     * Makes every write that has returned durable.
     *
     * @throws GenieVmException as {@link #write} does, and with {@code UNSUPPORTED} when the server does not have it
     */
    public void flush() {
        if (!export.canFlush()) {
            throw unsupported("flush");
        }
        finish(submit(NbdProtocol.COMMAND_FLUSH, 0, 0, NOTHING, null, null));
    }

    /**
     * Goes over what the selected contexts say of a range.
     *
     * @return a cursor for one thread, which asks the server while it is pulled
     * @throws GenieVmException with {@code UNSUPPORTED} when no context was selected
     * @throws IllegalArgumentException when the range is not inside the export
     */
    public NbdStatusCursor status(long offset, long length) {
        if (offset < 0 || length < 0 || offset > export.size() - length) {
            throw new IllegalArgumentException(
                    "not inside the export of " + export.size() + " bytes: offset " + offset + ", length " + length);
        }
        if (contextIds.length == 0) {
            throw unsupported("any of the metadata contexts " + options.contexts());
        }
        return new NbdStatusCursor(this, offset, length);
    }

    /** Asks for the status of a range of whole blocks, of less than 4 GiB. */
    BlockStatus blockStatus(long offset, long length) {
        BlockStatus status = new BlockStatus(contextIds.length);
        finish(submit(NbdProtocol.COMMAND_BLOCK_STATUS, offset, length, NOTHING, null, status));
        return status;
    }

    GenieVmException broken(String what) {
        return NbdErrors.broken(resource, what);
    }

    private int piece() {
        int largest = Math.min(PIECE, export.maximumBlock());
        // The minimum is a power of two and not above the maximum, so this is not 0.
        return largest - largest % export.minimumBlock();
    }

    private void check(long offset, long length) {
        long block = export.minimumBlock();
        boolean inside = offset >= 0 && length >= 0 && offset <= export.size() - length;
        boolean wholeBlocks = offset % block == 0 && (length % block == 0 || offset + length == export.size());
        if (!inside || !wholeBlocks) {
            throw new IllegalArgumentException("not inside the export of " + export.size() + " bytes in blocks of "
                    + block + ": offset " + offset + ", length " + length);
        }
    }

    private void checkWritable() {
        if (export.isReadOnly()) {
            throw new GenieVmException(
                    ErrorCode.ACCESS_DENIED, resource, "the export " + resource.name() + " is read-only");
        }
    }

    private GenieVmException unsupported(String what) {
        return new GenieVmException(
                ErrorCode.UNSUPPORTED, resource, "the NBD server at " + resource.name() + " does not have " + what);
    }

    private interface PieceSender {
        PendingRequest send(long offset, long length);
    }

    /** Has several requests under way for one range. Returns, also with an exception, when all of them have ended. */
    private void inPieces(long offset, long length, long piece, PieceSender sender) {
        Deque<PendingRequest> underWay = new ArrayDeque<>();
        GenieVmException first = null;
        long at = offset;
        long end = offset + length;
        while (at < end && first == null || !underWay.isEmpty()) {
            try {
                if (at < end && first == null && underWay.size() < WINDOW) {
                    long part = Math.min(piece, end - at);
                    underWay.add(sender.send(at, part));
                    at += part;
                } else {
                    finish(underWay.remove());
                }
            } catch (GenieVmException e) {
                first = first == null ? e : first;
            }
        }
        if (first != null) {
            throw first;
        }
    }

    /** Sends a request; when that fails, the request has failed, which is told when it is finished. */
    private PendingRequest submit(
            int command,
            long offset,
            long length,
            ByteBuffer payload,
            @Nullable ByteBuffer target,
            @Nullable BlockStatus status) {
        sending.lock();
        try {
            PendingRequest request;
            lock.lock();
            try {
                checkUsable();
                request = new PendingRequest(
                        ++lastCookie, command, offset, length, target, status, requestNanos, lock.newCondition());
                pending.put(request.cookie, request);
            } finally {
                lock.unlock();
            }
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
                fail(asFailure(e));
            }
            return request;
        } finally {
            sending.unlock();
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
            throw new GenieVmException(
                    ErrorCode.TRANSIENT_IO_ERROR,
                    resource,
                    "the NBD server at " + resource.name() + " is shutting down");
        }
    }

    private GenieVmException closedByUser() {
        return new GenieVmException(ErrorCode.CLOSED, resource, "the connection to " + resource.name() + " is closed");
    }

    /** An exception of its own for each call that fails, with the stack of its own. */
    private static GenieVmException again(GenieVmException e) {
        return new GenieVmException(e.code(), e.resource(), String.valueOf(e.getMessage()), e);
    }

    private GenieVmException asFailure(Exception e) {
        if (e instanceof GenieVmException typed) {
            return typed;
        }
        if (e instanceof SSLException) {
            return NbdErrors.broken(resource, String.valueOf(e.getMessage()));
        }
        if (e instanceof IOException io) {
            return lost(resource, io);
        }
        return new GenieVmException(
                ErrorCode.INTERNAL_ERROR, resource, "a fault in the NBD client for " + resource.name() + ": " + e, e);
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
            boolean reads;
            lock.lock();
            try {
                if (failure != null || closed) {
                    throw new ClosedChannelException();
                }
                reads = !reading;
                reading = true;
                senderWaits = !reads;
            } finally {
                lock.unlock();
            }
            boolean inTime = true;
            try {
                // Only when a message has begun: a server that wants to read first would never go on with one.
                if (reads && wire.poll()) {
                    takeReply(request);
                } else {
                    inTime = wire.awaitWritable(reads, until);
                }
            } finally {
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
            if (!inTime) {
                throw silent - request.limit < 0 ? wire.silent(silenceNanos) : wire.tooSlow();
            }
        }
    }

    /** Waits for the answer, and meanwhile reads for all if no other thread does. */
    private void finish(PendingRequest request) {
        boolean interrupted = false;
        lock.lock();
        try {
            while (!request.done) {
                if (!reading) {
                    reading = true;
                    lock.unlock();
                    try {
                        readUntilDone(request);
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

    private void readUntilDone(PendingRequest request) {
        try {
            while (!request.done) {
                takeReply(request);
            }
        } catch (IOException | RuntimeException e) {
            fail(asFailure(e));
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
    private void fail(GenieVmException reason) {
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

    private void complete(PendingRequest request) {
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

    /** Reads one message. For the thread that reads, which waits no longer than its own request may last. */
    private void takeReply(PendingRequest mine) throws IOException {
        wire.setLimits(mine.made, silenceNanos, mine.limit);
        wire.need(16);
        int magic = wire.getInt();
        if (magic == NbdProtocol.SIMPLE_REPLY_MAGIC) {
            int error = wire.getInt();
            takeSimpleReply(requestOf(wire.getLong()), error);
        } else if (magic == NbdProtocol.STRUCTURED_REPLY_MAGIC && export.structured()) {
            int flags = wire.getShort();
            int type = Short.toUnsignedInt(wire.getShort());
            PendingRequest request = requestOf(wire.getLong());
            wire.need(4);
            takeChunk(request, flags, type, wire.getInt());
        } else {
            throw broken("not a reply");
        }
    }

    private PendingRequest requestOf(long cookie) {
        lock.lock();
        try {
            PendingRequest request = pending.get(cookie);
            if (request == null) {
                throw broken("a reply to no request");
            }
            return request;
        } finally {
            lock.unlock();
        }
    }

    private void takeSimpleReply(PendingRequest request, int error) throws IOException {
        if (error != 0) {
            if (export.structured() && request.command == NbdProtocol.COMMAND_READ) {
                throw broken("a simple reply to a read, although structured ones were agreed on");
            }
            refuse(request, error, "", -1);
        } else if (export.structured() && (request.target != null || request.status != null)) {
            throw broken("a simple reply where it has to be a structured one");
        } else if (request.target != null) {
            wire.fill(request.target);
        }
        complete(request);
    }

    private void takeChunk(PendingRequest request, int flags, int type, int length) throws IOException {
        boolean last = (flags & NbdProtocol.CHUNK_DONE) != 0;
        if ((type & NbdProtocol.CHUNK_ERROR_BIT) != 0) {
            takeError(request, type, length);
        } else {
            switch (type) {
                case NbdProtocol.CHUNK_NONE -> {
                    if (length != 0 || !last) {
                        throw broken("an empty chunk that is not empty or not the last");
                    }
                }
                case NbdProtocol.CHUNK_OFFSET_DATA -> takeData(request, length);
                case NbdProtocol.CHUNK_OFFSET_HOLE -> takeHole(request, length);
                case NbdProtocol.CHUNK_BLOCK_STATUS -> takeStatus(request, length);
                default -> throw broken("a chunk of unknown type " + type);
            }
        }
        if (!last) {
            return;
        }
        if (request.refusal == null) {
            if (request.coverage != null && !request.coverage.isComplete()) {
                throw broken("a read that ended before all of it had come");
            }
            if (request.status != null && !request.status.isComplete()) {
                throw broken("a block status without all of the selected contexts");
            }
        }
        complete(request);
    }

    private void takeData(PendingRequest request, int length) throws IOException {
        if (Integer.compareUnsigned(length, 9) < 0) {
            throw broken("a data chunk without data");
        }
        wire.need(8);
        wire.fill(cover(request, wire.getLong(), Integer.toUnsignedLong(length) - 8));
    }

    private void takeHole(PendingRequest request, int length) throws IOException {
        if (length != 12) {
            throw broken("a hole chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        wire.need(12);
        long offset = wire.getLong();
        ByteBuffer hole = cover(request, offset, Integer.toUnsignedLong(wire.getInt()));
        while (hole.hasRemaining()) {
            int step = Math.min(hole.remaining(), ZEROES.capacity());
            hole.put(hole.position(), ZEROES, 0, step);
            hole.position(hole.position() + step);
        }
    }

    /** The part of the target for a piece of content, once it is certain that the piece may come. */
    private ByteBuffer cover(PendingRequest request, long offset, long length) {
        ByteBuffer target = request.target;
        ReadCoverage coverage = request.coverage;
        if (target == null || coverage == null) {
            throw broken("content that answers no read");
        }
        long start = offset - request.offset;
        if (length == 0 || offset < request.offset || start > request.length - length) {
            throw broken("content outside of the read");
        }
        if (!coverage.add(start, start + length)) {
            throw broken("content that came twice, or in too many pieces without order");
        }
        return target.slice((int) start, (int) length);
    }

    private void takeStatus(PendingRequest request, int length) throws IOException {
        BlockStatus status = request.status;
        if (status == null) {
            throw broken("a block status that nobody asked for");
        }
        if (length < 12 || length % 8 != 4 || length > NbdProtocol.MAX_STATUS_CHUNK) {
            throw broken("a block status chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        wire.need(4);
        int id = wire.getInt();
        int context = 0;
        while (context < contextIds.length && contextIds[context] != id) {
            context++;
        }
        BlockStatus.Runs runs = context == contextIds.length ? null : status.begin(context);
        if (runs == null) {
            throw broken("a block status for a context that was not selected, or twice for one");
        }
        long end = 0;
        for (int left = (length - 4) / 8; left > 0; left--) {
            wire.need(8);
            long run = Integer.toUnsignedLong(wire.getInt());
            // The last run may tell of more than was asked for, but none may begin there.
            if (run == 0 || end >= request.length || run > export.size() - request.offset - end) {
                throw broken("a block status that does not fit the request");
            }
            end += run;
            runs.add(Math.min(end, request.length), wire.getInt());
        }
    }

    private void takeError(PendingRequest request, int type, int length) throws IOException {
        int fixed = type == NbdProtocol.CHUNK_ERROR_OFFSET ? 14 : 6;
        if (length < fixed || length > NbdProtocol.MAX_ERROR_CHUNK) {
            throw broken("an error chunk of " + Integer.toUnsignedString(length) + " bytes");
        }
        if (++request.errorChunks > NbdProtocol.MAX_ERROR_CHUNKS) {
            throw broken("more than " + NbdProtocol.MAX_ERROR_CHUNKS + " errors for one request");
        }
        wire.need(6);
        int error = wire.getInt();
        int words = Short.toUnsignedInt(wire.getShort());
        if (error == 0 || words > length - fixed) {
            throw broken("an error chunk without an error, or shorter than its words");
        }
        String text = wire.words(words);
        int left = length - 6 - words;
        long offset = -1;
        if (type == NbdProtocol.CHUNK_ERROR_OFFSET) {
            wire.need(8);
            offset = wire.getLong();
            left -= 8;
            if (offset < request.offset || offset - request.offset >= request.length) {
                throw broken("an error outside of the request");
            }
        }
        wire.skip(left);
        refuse(request, error, text, offset);
    }

    private void refuse(PendingRequest request, int error, String words, long at) {
        if (error == NbdErrors.ESHUTDOWN) {
            lock.lock();
            try {
                shuttingDown = true;
            } finally {
                lock.unlock();
            }
        }
        if (request.refusal == null) {
            Resource where = request.length == 0
                    ? resource
                    : new Resource(null, null, new Extent(request.offset, request.length), resource.name());
            request.refusal = new GenieVmException(
                    NbdErrors.codeOf(error),
                    where,
                    "the NBD server at " + where + " answered " + nameOf(request.command) + " with "
                            + NbdErrors.nameOf(error) + (at < 0 ? "" : " at offset " + at) + NbdErrors.quoted(words));
        }
    }

    private static String nameOf(int command) {
        return switch (command) {
            case NbdProtocol.COMMAND_READ -> "a read";
            case NbdProtocol.COMMAND_WRITE -> "a write";
            case NbdProtocol.COMMAND_FLUSH -> "a flush";
            case NbdProtocol.COMMAND_TRIM -> "a trim";
            case NbdProtocol.COMMAND_WRITE_ZEROES -> "write zeroes";
            default -> "a block status request";
        };
    }

    /** Closes it. Calls under way in other threads fail with {@code CLOSED}. Does nothing the second time. */
    @Override
    public void close() {
        boolean idle;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            idle = failure == null && pending.isEmpty();
            if (failure == null) {
                failure = closedByUser();
            }
        } finally {
            lock.unlock();
        }
        if (idle && sending.tryLock()) {
            try {
                ByteBuffer message = ByteBuffer.allocate(REQUEST_HEADER);
                message.putInt(NbdProtocol.REQUEST_MAGIC)
                        .putShort((short) 0)
                        .putShort((short) NbdProtocol.COMMAND_DISCONNECT)
                        .position(0);
                wire.sayGoodbye(message);
            } catch (IOException | RuntimeException e) {
                LOG.debug("{}: no goodbye", resource.name(), e);
            } finally {
                sending.unlock();
            }
        }
        fail(closedByUser());
    }
}
