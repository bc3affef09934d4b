package io.genievm.kvm.internal.qemu;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.kvm.internal.nbd.NbdAddress;
import io.genievm.kvm.internal.nbd.NbdConnection;
import io.genievm.kvm.internal.nbd.NbdOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A {@code qemu-nbd} process that serves one image on a Unix socket, and ends when its last client goes. This class is a
 * client of its own from the start, so that the process stays while others come and go, and so that none is left when this
 * process dies. Safe for use by several threads.
 */
public final class QemuNbd implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(QemuNbd.class);
    private static final Program PROGRAM = new Program("qemu-nbd");

    /** What fits into an address of a Unix socket on Linux. */
    private static final int LONGEST_SOCKET = 107;

    private static final Duration UNTIL_READY = Duration.ofSeconds(60);
    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(5);

    /** After its last client has gone it ends by itself; if one is still there it has to be told. */
    private static final Duration UNTIL_TOLD = Duration.ofSeconds(5);

    private static final Duration UNTIL_READER_IS_TOLD = Duration.ofMillis(200);

    /** What has been written may have to reach a slow disk, and killing it could cost the image's bitmaps. */
    private static final Duration UNTIL_FLUSHED = Duration.ofMinutes(10);

    private static final Duration UNTIL_KILLED = Duration.ofSeconds(10);

    /**
     * What to serve.
     *
     * @param image the image
     * @param format its format
     * @param writable whether clients may write; the image is then locked, so that no guest can be started with it
     * @param connections how many clients may be there at a time
     * @param bitmap the bitmap to serve as {@code qemu:dirty-bitmap:<name>}, or {@code null}
     * @param socket where, in at most 107 bytes, and nothing may be there; removed at the end
     */
    public record Export(
            Path image,
            String format,
            boolean writable,
            int connections,
            @Nullable String bitmap,
            Path socket) {}

    private final Export export;
    private final NbdAddress address;
    private final Process process;
    private final Program.Drain errors;
    private final NbdConnection first;
    private boolean isClosed;

    private QemuNbd(Export export, NbdAddress address, Process process, Program.Drain errors, NbdConnection first) {
        this.export = export;
        this.address = address;
        this.process = process;
        this.errors = errors;
        this.first = first;
    }

    /**
     * Starts serving and returns when clients may connect. A read-only export takes no lock, so that a guest can be started
     * while it is there: whoever reads it has to find out.
     *
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when there is no qemu-nbd, or for images that
     *     {@link QemuImg#chain} refuses; {@code BUSY} when a writable image is open elsewhere, {@code ALREADY_EXISTS} when
     *     something is where the socket is to be, {@code INVALID_ARGUMENT} when its path is too long, {@code NOT_FOUND},
     *     {@code ACCESS_DENIED} or an I/O code; nothing runs then
     */
    public static QemuNbd serve(Export export) {
        return serve(PROGRAM, export);
    }

    static QemuNbd serve(Program program, Export export) {
        if (export.connections() < 1) {
            throw new IllegalArgumentException("at least one connection, not " + export.connections());
        }
        Path socket = export.socket().toAbsolutePath();
        int length = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (length > LONGEST_SOCKET) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(socket.toString()),
                    "the path of a Unix socket has at most " + LONGEST_SOCKET + " bytes, not " + length + ": "
                            + socket);
        }
        if (Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
            // qemu-nbd would take it away from whoever serves there.
            throw new GenieVmException(
                    ErrorCode.ALREADY_EXISTS,
                    Resource.named(socket.toString()),
                    "a socket is to be made where something is already: " + socket);
        }
        List<QemuImg.Image> chain = QemuImg.chain(export.image(), export.format());
        Process process = program.start(ProcessBuilder.Redirect.DISCARD, arguments(export, chain, socket));
        Program.Drain errors = Program.Drain.ofErrors(process, program.name());
        NbdAddress address = NbdAddress.unix(socket, "");
        NbdConnection first = null;
        try {
            first = awaitReady(export, address, process, errors);
            return new QemuNbd(export, address, process, errors, first);
        } finally {
            if (first == null) {
                end(export, process, Duration.ZERO);
                remove(socket);
            }
        }
    }

    private static List<String> arguments(Export export, List<QemuImg.Image> chain, Path socket) {
        List<String> arguments = new ArrayList<>(List.of(
                "--socket=" + socket,
                // One more than the caller's: ours.
                "--shared=" + (export.connections() + 1),
                "--export-name="));
        if (export.writable()) {
            // What GenieVM writes as zeroes shall take no space, and what it does not, is what it is.
            arguments.addAll(List.of("--cache=writeback", "--discard=unmap", "--detect-zeroes=off"));
        } else {
            arguments.add("--read-only");
        }
        if (export.bitmap() != null) {
            arguments.add("--bitmap=" + export.bitmap());
        }
        arguments.add("--");
        arguments.add(BlockNode.of(chain, !export.writable()));
        return arguments;
    }

    /**
     * Connects as the first client. That has to wait for the socket to appear, since it is there before the image is open;
     * from then on QEMU keeps whoever connects waiting until it is ready.
     */
    private static NbdConnection awaitReady(Export export, NbdAddress address, Process process, Program.Drain errors) {
        Path socket = address.socket();
        long end = System.nanoTime() + UNTIL_READY.toNanos();
        GenieVmException failure = null;
        while (process.isAlive() && System.nanoTime() - end < 0) {
            if (socket != null && Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
                try {
                    return NbdConnection.open(
                            address,
                            NbdOptions.DEFAULT.withLimits(
                                    UNTIL_READY, NbdOptions.DEFAULT.silenceLimit(), NbdOptions.DEFAULT.requestLimit()));
                } catch (GenieVmException e) {
                    // Bound and not listening yet, or about to end: the process tells which.
                    failure = e;
                }
            }
            Program.hasEnded(process, BETWEEN_LOOKS);
        }
        if (process.isAlive()) {
            throw failure != null
                    ? failure
                    : new GenieVmException(
                            ErrorCode.TRANSIENT_IO_ERROR,
                            Resource.named(export.image().toString()),
                            "qemu-nbd did not serve " + export.image() + " within " + UNTIL_READY.toSeconds() + " s");
        }
        String said = errors.text();
        throw new GenieVmException(
                said.contains("Bitmap '" + export.bitmap() + "'") ? ErrorCode.NOT_FOUND : Program.codeOf(said),
                Resource.named(export.image().toString()),
                "qemu-nbd can not serve " + export.image() + ": " + Program.told(said, PROGRAM.name()));
    }

    /**
     * Ends a server whose starter died before its first client came: it ends when its last client has left, so somebody
     * comes and leaves. Does nothing where nobody serves. Never fails.
     *
     * @param socket where it serves; the file stays
     */
    public static void endForgotten(Path socket) {
        try {
            NbdConnection.open(
                            NbdAddress.unix(socket, ""),
                            NbdOptions.DEFAULT.withLimits(
                                    UNTIL_KILLED, NbdOptions.DEFAULT.silenceLimit(), NbdOptions.DEFAULT.requestLimit()))
                    .close();
        } catch (GenieVmException e) {
            LOG.debug("nobody serves at {}: {}", socket, e.getMessage());
        }
    }

    /** Where clients connect. */
    public NbdAddress address() {
        return address;
    }

    /** The process. */
    public ProcessHandle process() {
        return process.toHandle();
    }

    /**
     * Ends the process, waits until it is gone, and removes the socket. For a writable image, close clients first: what
     * they wrote is then in the image, and they should have flushed it to know whether it is. Does nothing when it has been
     * closed. Takes seconds when clients are still there, and minutes at the most.
     */
    @Override
    public synchronized void close() {
        if (isClosed) {
            return;
        }
        isClosed = true;
        first.close();
        boolean hasEnded = end(export, process, export.writable() ? UNTIL_TOLD : UNTIL_READER_IS_TOLD);
        if (!hasEnded) {
            LOG.warn("qemu-nbd with {} did not end, not even when it was killed", export.image());
        } else if (process.exitValue() != 0) {
            LOG.warn(
                    "qemu-nbd with {} ended with status {}: {}",
                    export.image(),
                    process.exitValue(),
                    Program.told(errors.text(), PROGRAM.name()));
        }
        Path socket = address.socket();
        if (socket != null) {
            remove(socket);
        }
    }

    private static boolean end(Export export, Process process, Duration untilTold) {
        if (Program.hasEnded(process, untilTold)) {
            return true;
        }
        // It closes the image properly on this, too.
        process.destroy();
        if (Program.hasEnded(process, export.writable() ? UNTIL_FLUSHED : UNTIL_KILLED)) {
            return true;
        }
        process.destroyForcibly();
        return Program.hasEnded(process, UNTIL_KILLED);
    }

    private static void remove(Path socket) {
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            LOG.warn("the socket {} could not be removed: {}", socket, e.toString());
        }
    }
}
