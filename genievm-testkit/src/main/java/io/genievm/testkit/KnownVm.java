package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A VM whose disks have known contents.
 *
 * @param id the VM's id
 * @param disks every disk of the VM with all its bytes; the arrays are not copied
 * @since 0.1
 */
public record KnownVm(VmId id, SortedMap<DiskId, byte[]> disks) {
    /**
     * Copies the map.
     *
     * @param id the VM's id
     * @param disks the disks
     */
    public KnownVm {
        disks = Collections.unmodifiableSortedMap(new TreeMap<>(disks));
    }

    /**
     * Makes a known VM.
     *
     * @param id the VM's id
     * @param disks disk ids with the bytes of the disks
     */
    public KnownVm(String id, Map<String, byte[]> disks) {
        this(new VmId(id), named(disks));
    }

    private static SortedMap<DiskId, byte[]> named(Map<String, byte[]> disks) {
        SortedMap<DiskId, byte[]> named = new TreeMap<>();
        disks.forEach((disk, bytes) -> named.put(new DiskId(disk), bytes));
        return named;
    }
}
