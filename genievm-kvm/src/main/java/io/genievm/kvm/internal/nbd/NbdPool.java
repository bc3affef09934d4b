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
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An export over several connections, where the server says that they see the same, else over one. A disk to read and to
 * write for any number of threads. A connection that fails is not used any more, and is not replaced.
 */
public final class NbdPool implements DiskReader, DiskWriter {
    private static final Logger LOG = LoggerFactory.getLogger(NbdPool.class);

    /** How long to wait for a connection that can be done without: a full server does not refuse, it keeps silent. */
    private static final Duration PATIENCE_FOR_MORE = Duration.ofSeconds(5);

    /** How many requests a server usually takes from one connection before it stops listening. */
    private static final int REQUESTS_PER_CONNECTION = 16;

    private static final int LONGEST_CALL = 16 << 20;

    private final NbdExport export;
    private final List<NbdConnection> connections;

    private NbdPool(List<NbdConnection> connections) {
        this.connections = List.copyOf(connections);
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
        if (most < 1) {
            throw new IllegalArgumentException("at least one connection, not " + most);
        }
        NbdOptions forMore = options.withLimits(
                options.connectLimit().compareTo(PATIENCE_FOR_MORE) < 0 ? options.connectLimit() : PATIENCE_FOR_MORE,
                options.silenceLimit(),
                options.requestLimit());
        List<NbdConnection> opened = new ArrayList<>();
        try {
            NbdConnection first = NbdConnection.open(address, options);
            opened.add(first);
            while (first.export().canMultiConnect() && opened.size() < most) {
                NbdConnection next;
                try {
                    next = NbdConnection.open(address, forMore);
                } catch (GenieVmException e) {
                    LOG.info("{}: {} connections instead of {}: {}", address, opened.size(), most, e.getMessage());
                    break;
                }
                opened.add(next);
                if (!next.export().equals(first.export())) {
                    throw new GenieVmException(
                            ErrorCode.SOURCE_CHANGED,
                            address.resource(),
                            "two connections to " + address + " see different exports: " + first.export() + ", "
                                    + next.export());
                }
            }
            return new NbdPool(opened);
        } catch (RuntimeException | Error e) {
            opened.forEach(NbdConnection::close);
            throw e;
        }
    }

    /** What the server said of the export. */
    public NbdExport export() {
        return export;
    }

    /** How many connections were opened. */
    public int size() {
        return connections.size();
    }

    /** Goes over what the selected contexts say of a range, as {@link NbdConnection#status} does. */
    public NbdStatusCursor status(long offset, long length) {
        return idlest().status(offset, length);
    }

    @Override
    public DiskLimits limits() {
        return new DiskLimits(1, REQUESTS_PER_CONNECTION * connections.size(), LONGEST_CALL, export.minimumBlock());
    }

    @Override
    public void read(long offset, ByteBuffer target) {
        idlest().read(offset, target);
    }

    @Override
    public void write(long offset, ByteBuffer source) {
        idlest().write(offset, source);
    }

    @Override
    public void zero(long offset, long length) {
        idlest().writeZeroes(offset, length);
    }

    /** Tells the server that nobody needs a range any more, as {@link NbdConnection#trim} does. */
    public void trim(long offset, long length) {
        idlest().trim(offset, length);
    }

    /** Flushes, on one connection: a server that allows several says by that that this is for all of them. */
    @Override
    public void flush() {
        idlest().flush();
    }

    private NbdConnection idlest() {
        NbdConnection best = connections.get(0);
        int fewest = Integer.MAX_VALUE;
        for (NbdConnection each : connections) {
            int pending = each.isOpen() ? each.pendingRequests() : Integer.MAX_VALUE;
            if (pending < fewest) {
                fewest = pending;
                best = each;
            }
        }
        return best;
    }

    @Override
    public void close() {
        connections.forEach(NbdConnection::close);
    }
}
