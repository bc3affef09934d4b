package io.genievm.kvm.internal.nbd;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An export over several connections, where the server says that they see the same, else over one. A disk to read and to
 * write for any number of threads.
 *
 * <p>What was under way on a connection that is lost fails, typed and retryable; later calls go to the others. Of a
 * read-only export a lost connection is opened anew when the next call comes, but only while another one is there, and
 * proves by an answer that its server still lives: who listens at the address after that may serve another moment of the
 * disk, under the same name and of the same size, and the bytes of two moments must not be mixed. So when the last one is
 * lost the pool is of no use any more, and says so at once, with {@code SNAPSHOT_LOST} for an export that is read-only.
 * Nothing is opened anew where writes are possible.
 */
public final class NbdPool implements DiskReader, DiskWriter {
    private static final Logger LOG = LoggerFactory.getLogger(NbdPool.class);

    /** How long to wait for a connection that can be done without: a full server does not refuse, it keeps silent. */
    private static final Duration PATIENCE_FOR_MORE = Duration.ofSeconds(5);
    /** How long nobody tries to open a connection anew after it was tried, so that calls do not spend their time on that. */
    private static final long REST_NANOS = Duration.ofSeconds(1).toNanos();

    private static final long REST_AFTER_FAILURE_NANOS = Duration.ofSeconds(30).toNanos();

    /** How many requests a server usually takes from one connection before it stops listening. */
    private static final int REQUESTS_PER_CONNECTION = 16;

    private static final int LONGEST_CALL = 16 << 20;

    private final NbdAddress address;
    private final NbdOptions optionsForMore;
    private final Opener opener;
    private final NbdExport export;

    /** Never changed, but exchanged for another one, with {@link #changing} held. */
    private volatile NbdConnection[] connections;

    private final ReentrantLock changing = new ReentrantLock();
    /** When a lost connection may next be opened anew. Guarded by {@link #changing}. */
    private long nextAttempt = System.nanoTime();

    private volatile boolean closed;
    /** Set for good when the server turned out to serve something else. */
    private volatile @Nullable GenieVmException changed;

    /** Opens connections: {@link NbdConnection#open}, or one that has more to see to. */
    public interface Opener {
        /** Opens a connection, as {@link NbdConnection#open} does. */
        NbdConnection open(NbdAddress address, NbdOptions options);
    }

    private NbdPool(NbdAddress address, NbdOptions optionsForMore, Opener opener, List<NbdConnection> connections) {
        this.address = address;
        this.optionsForMore = optionsForMore;
        this.opener = opener;
        this.connections = connections.toArray(NbdConnection[]::new);
        export = connections.get(0).export();
    }

    /**
     * Connects. A server may take fewer connections than it is asked for: then it is those.
     *
     * @param most how many connections to open at the most, 1 or more
     * @throws GenieVmException as {@link NbdConnection#open} does, and with {@code SOURCE_CHANGED} when two connections do
     *     not see the same export
     */
    public static NbdPool open(NbdAddress address, NbdOptions options, int most) {
        return open(address, options, most, NbdConnection::open);
    }

    /** Connects as {@link #open(NbdAddress, NbdOptions, int)} does, through an opener, now and later. */
    public static NbdPool open(NbdAddress address, NbdOptions options, int most, Opener opener) {
        if (most < 1) {
            throw new IllegalArgumentException("at least one connection, not " + most);
        }
        NbdOptions forMore = options.withLimits(
                options.connectLimit().compareTo(PATIENCE_FOR_MORE) < 0 ? options.connectLimit() : PATIENCE_FOR_MORE,
                options.silenceLimit(),
                options.requestLimit());
        List<NbdConnection> opened = new ArrayList<>();
        try {
            NbdConnection first = opener.open(address, options);
            opened.add(first);
            while (first.export().canMultiConnect() && opened.size() < most) {
                NbdConnection next;
                try {
                    next = opener.open(address, forMore);
                } catch (GenieVmException e) {
                    LOG.info("{}: {} connections instead of {}: {}", address, opened.size(), most, e.getMessage());
                    break;
                }
                opened.add(next);
                if (!next.export().equals(first.export())) {
                    throw differs(address, first.export(), next.export());
                }
            }
            return new NbdPool(address, forMore, opener, opened);
        } catch (RuntimeException | Error e) {
            opened.forEach(NbdConnection::close);
            throw e;
        }
    }

    private static GenieVmException differs(NbdAddress address, NbdExport first, NbdExport next) {
        return new GenieVmException(
                ErrorCode.SOURCE_CHANGED,
                address.resource(),
                "two connections to " + address + " see different exports: " + first + ", " + next);
    }

    /** What the server said of the export. */
    public NbdExport export() {
        return export;
    }

    /** How many connections were opened. */
    public int size() {
        return connections.length;
    }

    /** How many connections are not known to be lost. */
    public int openConnections() {
        int open = 0;
        for (NbdConnection each : connections) {
            open += each.isOpen() ? 1 : 0;
        }
        return open;
    }

    /**
     * Goes over what the selected contexts say of a range, as {@link NbdConnection#status} does. The cursor stays with one
     * connection, and fails with it.
     */
    public NbdStatusCursor status(long offset, long length) {
        return idlest().status(offset, length);
    }

    @Override
    public DiskLimits limits() {
        return new DiskLimits(1, REQUESTS_PER_CONNECTION * connections.length, LONGEST_CALL, export.minimumBlock());
    }

    /**
     * {@inheritDoc}
     *
     * @throws GenieVmException with {@code TRANSIENT_IO_ERROR} when the connection is lost meanwhile, with {@code SNAPSHOT_LOST}
     *     when none is left, and as {@link NbdConnection#read} does
     */
    @Override
    public void read(long offset, ByteBuffer target) {
        idlest().read(offset, target);
    }

    /**
     * {@inheritDoc}
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when the server has no flush, and as {@link NbdConnection#write} does
     */
    @Override
    public void write(long offset, ByteBuffer source) {
        checkFlush();
        idlest().write(offset, source);
    }

    /**
     * {@inheritDoc}
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when the server has no flush, and as {@link NbdConnection#writeZeroes}
     *     does
     */
    @Override
    public void zero(long offset, long length) {
        checkFlush();
        idlest().writeZeroes(offset, length);
    }

    /**
     * Tells the server that nobody needs a range any more, as {@link NbdConnection#trim} does.
     *
     * @throws GenieVmException with {@code UNSUPPORTED} when the server has no flush, and as {@link NbdConnection#trim} does
     */
    public void trim(long offset, long length) {
        checkFlush();
        idlest().trim(offset, length);
    }

    /** Flushes, on one connection: a server that allows several says by that that this is for all of them. */
    @Override
    public void flush() {
        idlest().flush();
    }

    /**
     * Others take a server without flush for one that has everything on disk when it answers. The protocol does not say
     * that, and there are servers without it that write back later, so it is refused: with the first write, not with the
     * flush hours later.
     */
    private void checkFlush() {
        if (!export.isReadOnly() && !export.canFlush()) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    address.resource(),
                    "the NBD server at " + address + " does not have flush, so nobody can say whether what is written"
                            + " there is durable");
        }
    }

    private NbdConnection idlest() {
        NbdConnection best = null;
        NbdConnection lost = null;
        int fewest = Integer.MAX_VALUE;
        for (NbdConnection each : connections) {
            GenieVmException failure = each.failure();
            if (failure != null) {
                // A server that has broken the protocol does so again.
                lost = failure.isRetryable() ? each : lost;
                continue;
            }
            int pending = each.pendingRequests();
            if (pending < fewest) {
                fewest = pending;
                best = each;
            }
        }
        if (best == null) {
            throw useless();
        }
        if (lost == null || !export.isReadOnly()) {
            return best;
        }
        return replace(lost, best);
    }

    /** Opens a lost connection anew, unless another thread is about that, and gives a connection for the next call. */
    private NbdConnection replace(NbdConnection lost, NbdConnection witness) {
        if (!changing.tryLock()) {
            return witness;
        }
        try {
            int place = List.of(connections).indexOf(lost);
            if (place < 0 || closed || changed != null || nextAttempt - System.nanoTime() > 0) {
                return witness;
            }
            NbdConnection next = null;
            try {
                next = opener.open(address, optionsForMore);
                if (!next.export().equals(export)) {
                    changed = differs(address, export, next.export());
                    throw changed;
                }
                // It answers after the new connection was made: both are of one server.
                witness.read(0, ByteBuffer.allocateDirect((int) Math.min(export.size(), export.minimumBlock())));
            } catch (GenieVmException e) {
                LOG.info("{}: a lost connection is not replaced: {}", address, e.getMessage());
                nextAttempt = System.nanoTime() + REST_AFTER_FAILURE_NANOS;
                if (next != null) {
                    next.close();
                }
                if (changed != null) {
                    closeAll();
                    throw e;
                }
                return witness;
            }
            LOG.info("{}: a connection was lost and is replaced", address);
            NbdConnection[] all = connections.clone();
            all[place] = next;
            connections = all;
            nextAttempt = System.nanoTime() + REST_NANOS;
            if (closed) {
                next.close();
            }
            return next;
        } finally {
            changing.unlock();
        }
    }

    /** Why there is no connection left. */
    private GenieVmException useless() {
        if (closed) {
            return new GenieVmException(
                    ErrorCode.CLOSED, address.resource(), "the connections to " + address + " are closed");
        }
        GenieVmException cause = changed;
        if (cause == null) {
            for (NbdConnection each : connections) {
                GenieVmException failure = each.failure();
                // What will not pass says more than what may.
                if (cause == null || failure != null && !failure.isRetryable()) {
                    cause = failure;
                }
            }
        }
        if (cause != null && !cause.isRetryable()) {
            return new GenieVmException(cause.code(), address.resource(), String.valueOf(cause.getMessage()), cause);
        }
        return new GenieVmException(
                export.isReadOnly() ? ErrorCode.SNAPSHOT_LOST : ErrorCode.TRANSIENT_IO_ERROR,
                address.resource(),
                "all connections to the NBD server at " + address + " are lost"
                        + (cause == null ? "" : ", one of them because " + cause.getMessage()),
                cause);
    }

    private void closeAll() {
        for (NbdConnection each : connections) {
            each.close();
        }
    }

    @Override
    public void close() {
        // First, so that one that is just being opened is closed by whoever opens it.
        closed = true;
        closeAll();
    }
}
