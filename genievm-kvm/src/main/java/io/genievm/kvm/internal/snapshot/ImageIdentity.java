package io.genievm.kvm.internal.snapshot;

import io.genievm.kvm.internal.qemu.QemuImg;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Tells the images of a disk from others that may come to lie under the same target. All bitmaps of a checkpoint bear the
 * checkpoint's name, so that libvirt and QEMU serve the bitmap of whatever image is there: after two disks have changed
 * places, that of the other one. And an image that was taken out of a chain takes with it what its bitmap does not know.
 */
final class ImageIdentity {
    private static final int DIGITS = 32;

    private ImageIdentity() {}

    /**
     * Hashes the paths and inodes of a chain of images.
     *
     * @param chain the image and those behind it
     * @return 32 hexadecimal digits, or {@code null} when an image can not be looked at
     */
    static @Nullable String of(List<QemuImg.Image> chain) {
        StringBuilder text = new StringBuilder();
        try {
            for (QemuImg.Image image : chain) {
                Path file = image.file().toRealPath();
                text.append(file)
                        .append('\0')
                        .append(Files.getAttribute(file, "unix:ino"))
                        .append('\0');
            }
            byte[] hash =
                    MessageDigest.getInstance("SHA-256").digest(text.toString().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(hash).substring(0, DIGITS);
        } catch (IOException e) {
            return null;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
