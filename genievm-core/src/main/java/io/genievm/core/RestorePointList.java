package io.genievm.core;

import java.util.List;

/**
 * The points of a repository, and what should be one and can not be read.
 *
 * @param points those that can be restored: by VM id, then oldest first
 * @param unreadable objects of points, or of what was found out about them, that are damaged or missing; a point behind
 *     one may have existed
 * @since 0.1
 */
public record RestorePointList(List<RestorePoint> points, List<Damage> unreadable) {
    /**
     * Copies the lists.
     *
     * @param points the points
     * @param unreadable the damage
     */
    public RestorePointList {
        points = List.copyOf(points);
        unreadable = List.copyOf(unreadable);
    }
}
