package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
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

    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final NbdOptions options;
    private final NbdExport export;
    private final Resource resource;
    private final RequestTable table;
    private final ReplyReader replies;
    private final RequestSender sender;

    private NbdConnection(NbdOptions options, NbdWire wire, NbdExport export, int[] contextIds) {
        this.options = options;
        this.export = export;
        resource = wire.resource();
        table = new RequestTable(wire, options.requestLimit().toNanos());
        replies = new ReplyReader(
                wire, export, contextIds, table, options.silenceLimit().toNanos());
        sender = new RequestSender(wire, table, replies, options.silenceLimit().toNanos());
    }

    /**
     * Connects and opens the export, within the limits of the options.
     *
     * @throws GenieVmException with {@code NOT_FOUND}, {@code ACCESS_DENIED}, also when the server's certificate can not
     *     be trusted, {@code UNSUPPORTED}, {@code TRANSIENT_IO_ERROR} or {@link NbdErrors#PROTOCOL_BROKEN}
     */
    public static NbdConnection open(NbdAddress address, NbdOptions options) {
        return NbdConnector.connect(address, options, (handshake, wire) -> {
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
        return NbdConnector.connect(address, options, (handshake, wire) -> {
            List<String> names = handshake.listContexts(query);
            wire.close();
            return names;
        });
    }

    /** What the server said of the export. */
    public NbdExport export() {
        return export;
    }

    /** Whether requests may still be sent. */
    public boolean isOpen() {
        return table.isOpen();
    }

    /** Why it is not open any more; {@code null} while it is. */
    @Nullable
    GenieVmException failure() {
        return table.failure();
    }

    /** How many requests are under way at this moment. */
    public int pendingRequests() {
        return table.size();
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
                (at, length) -> sender.send(
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
                (at, length) -> sender.send(
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
                    (at, part) -> sender.send(NbdProtocol.COMMAND_WRITE_ZEROES, at, part, NOTHING, null, null));
        } else {
            inPieces(
                    offset,
                    length,
                    Math.min(NbdWire.ZEROES.capacity(), piece()),
                    (at, part) -> sender.send(
                            NbdProtocol.COMMAND_WRITE, at, part, NbdWire.ZEROES.slice(0, (int) part), null, null));
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
                (at, part) -> sender.send(NbdProtocol.COMMAND_TRIM, at, part, NOTHING, null, null));
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
        finish(sender.send(NbdProtocol.COMMAND_FLUSH, 0, 0, NOTHING, null, null));
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
        if (export.contexts().isEmpty()) {
            throw unsupported("any of the metadata contexts " + options.contexts());
        }
        return new NbdStatusCursor(this, offset, length);
    }

    /** Asks for the status of a range of whole blocks, of less than 4 GiB. */
    BlockStatus blockStatus(long offset, long length) {
        BlockStatus status = new BlockStatus(export.contexts().size());
        finish(sender.send(NbdProtocol.COMMAND_BLOCK_STATUS, offset, length, NOTHING, null, status));
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

    private void finish(PendingRequest request) {
        table.await(request, replies);
    }

    /** Closes it. Calls under way in other threads fail with {@code CLOSED}. Does nothing the second time. */
    @Override
    public void close() {
        RequestTable.Closing state = table.close();
        if (state == RequestTable.Closing.CLOSED_BEFORE) {
            return;
        }
        if (state == RequestTable.Closing.IDLE) {
            sender.sayGoodbye();
        }
        table.fail(table.closedByUser());
    }
}
