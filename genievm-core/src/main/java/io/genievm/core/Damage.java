package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.SessionId;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Something in a repository that is not as it was written, and what it means for data.
 *
 * @param object the key of the object that is damaged or missing; of the index or the pack that should hold the data
 * @param message what is wrong with it, in words
 * @param points the restore points that it affects, possibly none
 * @param disk the disk of these points that it affects, or {@code null} when no data of a disk is
 * @param extent the range of that disk that can not be restored, or {@code null} together with {@code disk}
 * @since 0.1
 */
public record Damage(
        String object,
        String message,
        List<SessionId> points,
        @Nullable DiskId disk,
        @Nullable Extent extent) {
    /**
     * Copies the list.
     *
     * @param object the object
     * @param message the message
     * @param points the points
     * @param disk the disk
     * @param extent the range
     */
    public Damage {
        points = List.copyOf(points);
    }
}
