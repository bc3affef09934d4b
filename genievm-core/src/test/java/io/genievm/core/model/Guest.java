package io.genievm.core.model;

import io.genievm.api.VmId;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryVm;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** A VM of the hypervisor and its model: whatever is done is done to both. Safe for use by several threads. */
final class Guest {
    private final InMemoryVm real;
    private final TreeMap<String, GuestDisk> disks = new TreeMap<>();

    Guest(InMemoryHypervisor hypervisor, String id) {
        this.real = hypervisor.addVm(id);
    }

    VmId id() {
        return real.id();
    }

    synchronized GuestDisk addDisk(String id, long capacity) {
        GuestDisk disk = new GuestDisk(real.addDisk(id, capacity), this);
        disks.put(id, disk);
        return disk;
    }

    synchronized void removeDisk(String id) {
        real.removeDisk(id);
        disks.remove(id);
    }

    synchronized boolean hasDisk(String id) {
        return disks.containsKey(id);
    }

    synchronized List<GuestDisk> disks() {
        return new ArrayList<>(disks.values());
    }

    /** One of its disks, or {@code null} where it has none. */
    synchronized GuestDisk anyDisk(Random random) {
        List<GuestDisk> all = disks();
        return all.isEmpty() ? null : all.get(random.nextInt(all.size()));
    }

    /** All disks as they are now. */
    synchronized Map<String, GuestDisk.Moment> freeze() {
        Map<String, GuestDisk.Moment> frozen = new TreeMap<>();
        disks.forEach((id, disk) -> frozen.put(id, disk.freeze()));
        return frozen;
    }
}
