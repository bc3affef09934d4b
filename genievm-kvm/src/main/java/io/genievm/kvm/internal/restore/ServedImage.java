package io.genievm.kvm.internal.restore;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.DiskLimits;
import io.genievm.api.hypervisor.DiskReader;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.kvm.internal.nbd.NbdOptions;
import io.genievm.kvm.internal.nbd.NbdPool;
import io.genievm.kvm.internal.qemu.QemuNbd;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;

/**
 * An image that is open for writing: as long as it is, QEMU's lock keeps guests from starting with it. Safe for use by
 * several threads.
 */
final class ServedImage implements AutoCloseable {
    /** One connection writes as fast as a disk takes it; with two, one is never waited for. */
    private static final int CONNECTIONS = 2;

    /**
     * A flush takes as long as a disk needs for what the machine holds in its memory, which can be hours' worth of writing.
     * The server is on this machine: when it dies, that is noticed at once and not by a time limit.
     */
    private static final NbdOptions PATIENT =
            NbdOptions.DEFAULT.withLimits(Duration.ofMinutes(1), Duration.ofHours(4), Duration.ofHours(4));

    private final QemuNbd server;
    private final NbdPool pool;

    private ServedImage(QemuNbd server, NbdPool pool) {
        this.server = server;
        this.pool = pool;
    }

    /**
     * Opens an image.
     *
     * @param sockets the folder for Unix sockets
     * @throws GenieVmException with {@code BUSY} when somebody has it open, {@code UNSUPPORTED} or an I/O code
     */
    static ServedImage open(Path image, String format, Path sockets) {
        Path socket = sockets.resolve("genievm-restore-"
                + UUID.randomUUID().toString().substring(0, 13).replace("-", "") + ".sock");
        QemuNbd server = QemuNbd.serve(new QemuNbd.Export(image, format, true, CONNECTIONS, null, socket));
        NbdPool pool = null;
        boolean opened = false;
        try {
            pool = NbdPool.open(server.address(), PATIENT, CONNECTIONS);
            if (pool.export().isReadOnly() || !pool.export().canFlush()) {
                throw new GenieVmException(
                        ErrorCode.UNSUPPORTED,
                        Resource.named(image.toString()),
                        "qemu-nbd does not let " + image + " be written durably");
            }
            opened = true;
            return new ServedImage(server, pool);
        } finally {
            if (!opened) {
                if (pool != null) {
                    pool.close();
                }
                server.close();
            }
        }
    }

    /** Bytes: the image's size, rounded up to 512. */
    long size() {
        return pool.export().size();
    }

    DiskLimits limits() {
        return pool.limits();
    }

    /** A reader that leaves the image open when it is closed. */
    DiskReader reader() {
        return new Reader();
    }

    /**
     * A writer that leaves the image open when it is closed.
     *
     * @param capacity bytes from the beginning that may be written
     */
    DiskWriter writer(long capacity) {
        return new Writer(capacity);
    }

    /**
     * Ends the connections, which breaks off what is under way with {@code CLOSED}, and then the server, which closes the
     * image. Does nothing the second time.
     */
    @Override
    public void close() {
        pool.close();
        server.close();
    }

    private static void requireOpen(boolean closed) {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "the disk was closed");
        }
    }

    private final class Reader implements DiskReader {
        private volatile boolean closed;

        @Override
        public void read(long offset, ByteBuffer target) {
            requireOpen(closed);
            pool.read(offset, target);
        }

        @Override
        public void close() {
            closed = true;
        }
    }

    private final class Writer implements DiskWriter {
        private final long capacity;
        private volatile boolean closed;

        Writer(long capacity) {
            this.capacity = capacity;
        }

        @Override
        public DiskLimits limits() {
            return pool.limits();
        }

        @Override
        public void write(long offset, ByteBuffer source) {
            require(offset, source.remaining());
            pool.write(offset, source);
        }

        @Override
        public void zero(long offset, long length) {
            require(offset, length);
            pool.zero(offset, length);
        }

        /** The image is of whole sectors, and would take what is beyond the end of the disk. */
        private void require(long offset, long length) {
            requireOpen(closed);
            if (offset < 0 || length < 0 || offset > capacity - length) {
                throw new IllegalArgumentException(
                        length + " bytes at " + offset + " are not inside a disk of " + capacity + " bytes");
            }
        }

        @Override
        public void flush() {
            requireOpen(closed);
            pool.flush();
        }

        @Override
        public void close() {
            closed = true;
        }
    }
}
