package io.genievm.core.internal.copy;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.SnapshotDisk;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The open readers of one disk, within its limits. Whoever calls {@link #read} has been admitted by the {@link RunQueue},
 * so that there are never more calls at a time than {@link #concurrency}. Safe for use by several threads.
 */
final class ReaderPool implements AutoCloseable {
    private final SnapshotDisk disk;
    private final DiskLimits limits;
    private final List<DiskReader> all = new ArrayList<>();
    private final Deque<DiskReader> slots = new ArrayDeque<>();
    private boolean closed;

    ReaderPool(SnapshotDisk disk) {
        this.disk = disk;
        this.limits = disk.limits();
    }

    /** How many reads may be under way at a time. */
    int concurrency() {
        return (int) Math.min(Integer.MAX_VALUE, (long) limits.readers() * limits.requestsPerReader());
    }

    /** Fills a buffer, in requests that the limits allow. */
    void read(long offset, ByteBuffer target) {
        DiskReader reader = take();
        try {
            int end = target.limit();
            long at = offset;
            while (target.position() < end) {
                target.limit(Math.min(end, target.position() + limits.maxRequest()));
                int length = target.remaining();
                reader.read(at, target);
                if (target.hasRemaining()) {
                    throw new GenieVmException(
                            ErrorCode.DRIVER_CONTRACT_BROKEN,
                            "the driver's reader of disk '" + disk.id() + "' left " + target.remaining() + " of "
                                    + length + " bytes unread");
                }
                at += length;
            }
        } finally {
            give(reader);
        }
    }

    @Override
    public void close() {
        List<DiskReader> readers;
        synchronized (this) {
            closed = true;
            readers = List.copyOf(all);
        }
        readers.forEach(DiskReader::close);
    }

    private DiskReader take() {
        synchronized (this) {
            if (closed) {
                throw new GenieVmException(ErrorCode.CLOSED, "the readers of disk '" + disk.id() + "' are closed");
            }
            @Nullable DiskReader free = slots.poll();
            if (free != null) {
                return free;
            }
            DiskReader reader = disk.openReader();
            all.add(reader);
            // A reader that takes several calls at a time stands in the queue as often.
            int more = Math.min(limits.requestsPerReader(), 256) - 1;
            for (int i = 0; i < more; i++) {
                slots.add(reader);
            }
            return reader;
        }
    }

    private synchronized void give(DiskReader reader) {
        slots.push(reader);
    }
}
