package io.genievm.kvm.internal.snapshot;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdConnection;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.nbd.NbdStatusCursor;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A disk of a snapshot that an NBD server exports. Safe for use by several threads. */
final class ExportedDisk implements SnapshotDisk, AutoCloseable {
    private static final String BITMAP_CONTEXT = "qemu:dirty-bitmap:";
    private static final int CONNECTIONS = 2;
    /** A server on this machine answers at once, and whoever wants to end it waits for connections that are being opened. */
    private static final NbdOptions OPTIONS = NbdOptions.DEFAULT.withLimits(
            Duration.ofSeconds(10), NbdOptions.DEFAULT.silenceLimit(), NbdOptions.DEFAULT.requestLimit());

    private static final int REQUESTS = 16;
    private static final int LONGEST_REQUEST = 16 << 20;

    /**
     * What is known of a disk's changes.
     *
     * @param token the token that is made with this snapshot, or {@code null} when the disk is not tracked
     * @param parent the token since whose moment the server knows the changes, or {@code null}
     * @param bitmap the name of the bitmap that has them
     */
    record Tracking(@Nullable ChangeToken token, @Nullable ChangeToken parent, String bitmap) {}

    private final VmId vm;
    private final DiskId id;
    private final NbdAddress address;
    private final Tracking tracking;
    private final Facts facts;
    private final NbdPool.Opener opener;
    private final Snapshot snapshot;
    private final NbdConnection status;
    private final Set<NbdPool> readers = new HashSet<>();
    private boolean closed;

    /** What a disk needs of its snapshot. */
    interface Snapshot {
        /** Throws when what was read belongs to no single moment. */
        void confirmUnchanged(DiskId disk);

        /**
         * Says what a failure of the server means.
         *
         * @return what to throw instead
         */
        GenieVmException explain(GenieVmException failure);
    }

    /**
     * Connects to an export.
     *
     * @throws GenieVmException with an I/O code
     */
    ExportedDisk(
            VmId vm,
            DiskId id,
            NbdAddress address,
            Tracking tracking,
            Facts facts,
            NbdPool.Opener opener,
            Snapshot snapshot) {
        this.vm = vm;
        this.id = id;
        this.address = address;
        this.tracking = tracking;
        this.facts = facts;
        this.opener = opener;
        this.snapshot = snapshot;
        this.status = explained(() -> opener.open(address, contexts()));
    }

    private NbdOptions contexts() {
        return tracking.parent() == null
                ? OPTIONS.withContexts(NbdOptions.ALLOCATION)
                : OPTIONS.withContexts(NbdOptions.ALLOCATION, BITMAP_CONTEXT + tracking.bitmap());
    }

    @Override
    public DiskId id() {
        return id;
    }

    @Override
    public long capacity() {
        return status.export().size();
    }

    @Override
    public Optional<ChangeToken> token() {
        return Optional.ofNullable(tracking.token());
    }

    @Override
    public DiskLimits limits() {
        return new DiskLimits(1, REQUESTS, LONGEST_REQUEST, status.export().minimumBlock());
    }

    @Override
    public ExtentCursor allocated() {
        checkOpen();
        return status.export().contexts().contains(NbdOptions.ALLOCATION)
                ? cursor(NbdOptions.ALLOCATION, NbdStatusCursor.ZERO, false)
                : ExtentCursor.whole(capacity());
    }

    @Override
    public Changes changesSince(ChangeToken token) {
        checkOpen();
        String context = BITMAP_CONTEXT + tracking.bitmap();
        if (!token.equals(tracking.parent())) {
            facts.trackingLost(id, "the token is not one that this snapshot was begun with, or its bitmap is gone");
            return new Changes.Unknown("TOKEN_UNKNOWN", "nothing is known since token " + token);
        }
        if (!status.export().contexts().contains(context)) {
            facts.trackingLost(id, "the server does not have the bitmap");
            return new Changes.Unknown("TRACKING_LOST", "the server at " + address + " does not have " + context);
        }
        return new Changes.Known(cursor(context, NbdStatusCursor.DIRTY, true));
    }

    private ExtentCursor cursor(String context, int flag, boolean wanted) {
        return new ExplainedCursor(
                status.status(0, capacity()).where(context, flags -> ((flags & flag) != 0) == wanted));
    }

    @Override
    public DiskReader openReader() {
        checkOpen();
        NbdPool pool = explained(() -> NbdPool.open(address, OPTIONS, CONNECTIONS, opener));
        synchronized (readers) {
            if (!closed) {
                readers.add(pool);
                return new Reader(pool);
            }
        }
        pool.close();
        throw closedError();
    }

    @Override
    public void confirmUnchanged() {
        snapshot.confirmUnchanged(id);
    }

    /** Ends all reading. */
    @Override
    public void close() {
        synchronized (readers) {
            closed = true;
            readers.forEach(NbdPool::close);
            readers.clear();
        }
        status.close();
    }

    private void checkOpen() {
        synchronized (readers) {
            if (closed) {
                throw closedError();
            }
        }
    }

    private GenieVmException closedError() {
        // Whoever closed it because the guest was in danger has the better reason.
        return snapshot.explain(new GenieVmException(
                ErrorCode.CLOSED, Resource.of(vm, id), "the snapshot of disk '" + id + "' is closed"));
    }

    private <T> T explained(Supplier<T> call) {
        try {
            return call.get();
        } catch (GenieVmException e) {
            throw snapshot.explain(e);
        }
    }

    private final class Reader implements DiskReader {
        private final NbdPool pool;

        private Reader(NbdPool pool) {
            this.pool = pool;
        }

        @Override
        public void read(long offset, ByteBuffer target) {
            try {
                pool.read(offset, target);
            } catch (GenieVmException e) {
                throw snapshot.explain(e);
            }
        }

        @Override
        public void close() {
            synchronized (readers) {
                readers.remove(pool);
            }
            pool.close();
        }
    }

    private final class ExplainedCursor implements ExtentCursor {
        private final ExtentCursor cursor;

        private ExplainedCursor(ExtentCursor cursor) {
            this.cursor = cursor;
        }

        @Override
        public boolean next() {
            return explained(cursor::next);
        }

        @Override
        public long offset() {
            return cursor.offset();
        }

        @Override
        public long length() {
            return cursor.length();
        }

        @Override
        public void close() {
            cursor.close();
        }
    }
}
