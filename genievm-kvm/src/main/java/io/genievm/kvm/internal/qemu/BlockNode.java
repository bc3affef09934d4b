package io.genievm.kvm.internal.qemu;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * How QEMU is told exactly what to open, as one argument: every driver by name, so that nothing is found out from the
 * content of an image, and every file by its whole path, so that no character in it means anything.
 */
final class BlockNode {
    private static final int TYPE = 0170000;
    private static final int BLOCK_DEVICE = 0060000;

    private BlockNode() {}

    /** An image alone; those behind it are not opened. */
    static String alone(Path file, String format) {
        ObjectNode node = node(file, format);
        if (!format.equals("raw")) {
            node.putNull("backing");
        }
        return "json:" + node;
    }

    /**
     * An image with those behind it.
     *
     * @param chain the image first, each followed by the one behind it
     * @param isShared whether it is opened without a lock, for reading only
     */
    static String of(List<QemuImg.Image> chain, boolean isShared) {
        ObjectNode behind = null;
        for (int i = chain.size() - 1; i >= 0; i--) {
            QemuImg.Image image = chain.get(i);
            ObjectNode node = node(image.file(), image.format());
            if (behind != null) {
                node.set("backing", behind);
            }
            behind = node;
        }
        if (behind == null) {
            throw new IllegalArgumentException("an empty chain");
        }
        if (isShared) {
            behind.put("force-share", true);
        }
        return "json:" + behind;
    }

    private static ObjectNode node(Path file, String format) {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        node.put("driver", format);
        node.putObject("file")
                .put("driver", isBlockDevice(file) ? "host_device" : "file")
                .put("filename", file.toString());
        return node;
    }

    private static boolean isBlockDevice(Path file) {
        try {
            return ((int) Files.getAttribute(file, "unix:mode") & TYPE) == BLOCK_DEVICE;
        } catch (IOException e) {
            // QEMU will say what is the matter with it.
            return false;
        }
    }
}
