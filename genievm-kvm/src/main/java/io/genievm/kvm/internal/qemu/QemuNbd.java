package io.genievm.kvm.internal.qemu;

import io.genievm.kvm.internal.nbd.NbdAddress;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A {@code qemu-nbd} process that serves one image on a Unix socket, and ends when its last client goes, so that none is
 * left when this process dies. Safe for use by several threads.
 */
public final class QemuNbd implements AutoCloseable {
    /**
     * What to serve.
     *
     * @param image the image
     * @param format its format
     * @param writable whether clients may write; the image is then locked, so that no guest can be started with it
     * @param connections how many clients may be there at a time
     * @param bitmap the bitmap to serve as {@code qemu:dirty-bitmap:<name>}, or {@code null}
     * @param socket where; removed at the end
     */
    public record Export(
            Path image,
            String format,
            boolean writable,
            int connections,
            @Nullable String bitmap,
            Path socket) {}

    /**
     * Starts serving and returns when clients may connect. A read-only export takes no lock, so that a guest can be started
     * while it is there: whoever reads it has to find out.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when there is no qemu-nbd, {@code BUSY} when a
     *     writable image is open elsewhere, {@code NOT_FOUND}, {@code ACCESS_DENIED} or an I/O code; nothing runs then
     */
    public static QemuNbd serve(Export export) {
        throw new UnsupportedOperationException();
    }

    /** Where clients connect. */
    public NbdAddress address() {
        throw new UnsupportedOperationException();
    }

    /** The process. */
    public ProcessHandle process() {
        throw new UnsupportedOperationException();
    }

    /** Ends the process, waits until it is gone, and removes the socket. For a writable image, close clients first. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
