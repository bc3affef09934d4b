package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A VM of which not everything fits the heap: many disks, large ones, or many extents.
 *
 * @param id the VM's id
 * @param disks every disk of the VM
 * @since 0.1
 */
public record LargeVm(VmId id, SortedMap<DiskId, Disk> disks) {
    /**
     * Copies the map.
     *
     * @param id the VM's id
     * @param disks the disks
     */
    public LargeVm {
        disks = Collections.unmodifiableSortedMap(new TreeMap<>(disks));
    }

    /**
     * A disk that is zero but for a few places.
     *
     * @param capacity its size in bytes
     * @param data what lies where: offset in bytes to bytes, disjoint, inside the capacity, all of it written in the disk;
     *     everything else reads as zeroes
     * @since 0.1
     */
    public record Disk(long capacity, SortedMap<Long, byte[]> data) {
        /**
         * Copies the map.
         *
         * @param capacity the size
         * @param data the data
         */
        public Disk {
            data = Collections.unmodifiableSortedMap(new TreeMap<>(data));
        }
    }
}
