package io.genievm.kvm.internal.qemu;

import io.genievm.api.hypervisor.Cancellation;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Calls of {@code qemu-img}: never through a shell, each with a limit of time, output bounded. */
public final class QemuImg {
    private QemuImg() {}

    /**
     * A persistent bitmap of a qcow2 image.
     *
     * @param name its name
     * @param granularity bytes for which it has one bit
     * @param flags {@code auto} (it records), {@code in-use} (it was not closed: what it says can not be relied on)
     */
    public record Bitmap(String name, long granularity, Set<String> flags) {
        /** Whether it was recording all the time and was closed properly. */
        public boolean isUsable() {
            return flags.contains("auto") && !flags.contains("in-use");
        }
    }

    /**
     * One image, without those behind it.
     *
     * @param file the image
     * @param format {@code qcow2}, {@code raw}...
     * @param virtualSize bytes that the guest sees
     * @param backing the image behind it, absolute, or {@code null}
     * @param backingFormat its format when the image names it, else {@code null}
     * @param bitmaps its persistent bitmaps
     * @param isEncrypted whether its content is encrypted
     * @param keepsBitmaps whether the format and version of the image can keep bitmaps
     */
    public record Image(
            Path file,
            String format,
            long virtualSize,
            @Nullable Path backing,
            @Nullable String backingFormat,
            List<Bitmap> bitmaps,
            boolean isEncrypted,
            boolean keepsBitmaps) {}

    /**
     * Describes an image and those behind it, also while a guest has them open.
     *
     * @param file the image
     * @param format its format: never guessed, as the content of a raw image is the guest's
     * @return the image first, each followed by the one behind it
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND}, {@code ACCESS_DENIED}, {@code UNSUPPORTED} when
     *     qemu-img is not there, or an I/O code
     */
    public static List<Image> chain(Path file, String format) {
        throw new UnsupportedOperationException();
    }

    /**
     * Makes an image that reads as zeroes.
     *
     * @param file the file, which must not be there
     * @param format {@code qcow2} or {@code raw}
     * @param size bytes; any number, although qcow2 rounds up to 512
     * @param thin whether space is taken only by what is written
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS}, {@code NO_SPACE}, {@code ACCESS_DENIED} or an
     *     I/O code; nothing is left then
     */
    public static void create(Path file, String format, long size, boolean thin, Cancellation cancellation) {
        throw new UnsupportedOperationException();
    }

    /**
     * Adds a persistent bitmap that records from now on, to an image that nobody has open.
     *
     * @throws io.genievm.api.GenieVmException with {@code BUSY} when somebody has the image open, or an I/O code
     */
    public static void addBitmap(Path file, String name) {
        throw new UnsupportedOperationException();
    }

    /** Removes a bitmap from an image that nobody has open; does nothing when it is not there. */
    public static void removeBitmap(Path file, String name) {
        throw new UnsupportedOperationException();
    }
}
