package io.genievm.core;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ExtentCursor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What differs between two points of a VM. Found by comparing the pages of their chunk maps from above: pages that are the
 * same are not read, so the work grows with what has changed, not with the disks. For one thread at a time. Not to be
 * implemented by others.
 *
 * @since 0.1
 */
public interface PointDiff extends AutoCloseable {
    /**
     * The point to compare with.
     *
     * @return its id
     */
    SessionId from();

    /**
     * The point that is compared.
     *
     * @return its id
     */
    SessionId to();

    /**
     * The disks that either point has.
     *
     * @return in ascending order of their ids
     */
    List<Disk> disks();

    /**
     * Bytes of the repository's objects that were read so far for pages of chunk maps.
     *
     * @return 0 before the first cursor has moved
     */
    long readBytes();

    /** Releases what is held; cursors fail with {@code CLOSED} afterwards. Does nothing the second time. */
    @Override
    void close();

    /**
     * One disk.
     *
     * @since 0.1
     */
    interface Disk {
        /**
         * The disk.
         *
         * @return its id
         */
        DiskId id();

        /**
         * Its size in the point to compare with.
         *
         * @return bytes, or {@code null} where that point does not have it
         */
        @Nullable
        Long fromCapacity();

        /**
         * Its size in the point that is compared.
         *
         * @return bytes, or {@code null} where that point does not have it
         */
        @Nullable
        Long toCapacity();

        /**
         * The ranges that differ, rounded outwards to chunks and cut at the greater of both sizes. Where one point has
         * no bytes, because its disk is shorter or not there, they count as zeroes: a disk that only grew does not
         * differ.
         *
         * @return a cursor over ascending, disjoint extents that do not touch, closed by the caller; at each call a new
         *     one. It throws {@link io.genievm.api.CorruptDataException} where a page is damaged, and {@code CLOSED}
         */
        ExtentCursor extents();
    }
}
