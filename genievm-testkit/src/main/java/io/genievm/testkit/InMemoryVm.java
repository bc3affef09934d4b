package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.VmDescription;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A VM of an {@link InMemoryHypervisor}. Its disks may be written at any time, also while they are backed up: a snapshot
 * does not see it. Safe for use by several threads.
 *
 * @since 0.1
 */
public final class InMemoryVm {
    private final VmId id;
    private final TreeMap<DiskId, InMemoryDisk> disks = new TreeMap<>();
    private String name;
    private Map<String, String> hardware = Map.of();

    InMemoryVm(VmId id) {
        this.id = id;
        this.name = id.value();
    }

    /**
     * The VM's id.
     *
     * @return unique within its hypervisor
     */
    public VmId id() {
        return id;
    }

    /**
     * Sets the VM's name for people.
     *
     * @param value the name; the id unless set
     */
    public synchronized void name(String value) {
        name = value;
    }

    /**
     * Sets the documents that {@link VmDescription#hardware()} gives.
     *
     * @param documents name to text; none unless set
     */
    public synchronized void hardware(Map<String, String> documents) {
        hardware = Map.copyOf(documents);
    }

    /**
     * Adds a disk of zeroes.
     *
     * @param disk its id
     * @param capacity its size in bytes, 0 or more
     * @return the disk
     * @throws IllegalArgumentException when the VM has a disk of that id
     */
    public synchronized InMemoryDisk addDisk(String disk, long capacity) {
        if (capacity < 0) {
            throw new IllegalArgumentException("a disk can not have " + capacity + " bytes");
        }
        InMemoryDisk added = new InMemoryDisk(new DiskId(disk), capacity, this);
        if (disks.putIfAbsent(added.id(), added) != null) {
            throw new IllegalArgumentException("VM '" + id + "' has a disk '" + disk + "' already");
        }
        return added;
    }

    /**
     * Adds a disk with some content.
     *
     * @param disk its id
     * @param content all its bytes
     * @return the disk
     * @throws IllegalArgumentException when the VM has a disk of that id
     */
    public synchronized InMemoryDisk addDisk(String disk, byte[] content) {
        InMemoryDisk added = addDisk(disk, content.length);
        added.write(0, content);
        return added;
    }

    /**
     * Takes a disk away. Open snapshots still have it.
     *
     * @param disk its id
     * @throws IllegalArgumentException when the VM has no such disk
     */
    public synchronized void removeDisk(String disk) {
        if (disks.remove(new DiskId(disk)) == null) {
            throw noDisk(disk);
        }
    }

    /**
     * Finds a disk.
     *
     * @param disk its id
     * @return the disk
     * @throws IllegalArgumentException when the VM has no such disk
     */
    public synchronized InMemoryDisk disk(String disk) {
        InMemoryDisk found = disks.get(new DiskId(disk));
        if (found == null) {
            throw noDisk(disk);
        }
        return found;
    }

    /**
     * All disks.
     *
     * @return in ascending order of their ids
     */
    public synchronized List<InMemoryDisk> disks() {
        return List.copyOf(disks.values());
    }

    /** What the VM is at one moment. */
    record Frozen(VmDescription description, List<InMemoryDisk.Frozen> disks) {}

    /** All disks at one and the same moment. */
    synchronized Frozen freeze() {
        List<VmDescription.Disk> described = disks.values().stream()
                .map(disk -> new VmDescription.Disk(disk.id(), disk.capacity()))
                .toList();
        return new Frozen(
                new VmDescription(id, name, described, hardware, List.of()),
                disks.values().stream().map(InMemoryDisk::freeze).toList());
    }

    private IllegalArgumentException noDisk(String disk) {
        return new IllegalArgumentException("VM '" + id + "' has no disk '" + disk + "'; it has " + disks.keySet());
    }
}
