package io.genievm.example.cli;

import io.genievm.api.Extent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What whoever writes an image can tell the images driver: which ranges were written since an earlier moment.
 *
 * @param token names this moment
 * @param since names the moment since which changes are told, or {@code null} where telling begins
 * @param extents the ranges, ascending
 */
record ChangeList(String token, @Nullable String since, List<Extent> extents) {
    /** Puts it beside the image. */
    void write(Path image) throws IOException {
        StringBuilder lines = new StringBuilder();
        lines.append("{\"token\":\"").append(token).append('"');
        if (since != null) {
            lines.append(",\"since\":\"").append(since).append('"');
        }
        lines.append("}\n");
        for (Extent extent : extents) {
            lines.append("{\"offset\":" + extent.offset() + ",\"length\":" + extent.length() + "}\n");
        }
        Files.writeString(image.resolveSibling(image.getFileName() + ".changes"), lines);
    }
}
