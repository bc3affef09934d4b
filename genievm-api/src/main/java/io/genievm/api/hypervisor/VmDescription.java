package io.genievm.api.hypervisor;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A VM: what a person wants to see and what is needed to make it anew.
 *
 * @param id its id
 * @param name its name for people; not unique, not necessarily the id
 * @param disks its disks in ascending order of their ids, no id twice, possibly empty
 * @param hardware documents that only the driver understands, name to text, such as {@code domain.xml}; stored with the
 *     restore point and given back to {@link VmCreation}. At most 1 MiB in all, without secrets; binary parts are
 *     written in Base64
 * @param facts what was noticed, possibly empty
 * @since 0.1
 */
public record VmDescription(
        VmId id, String name, List<Disk> disks, Map<String, String> hardware, List<DriverFact> facts) {
    /**
     * Copies the collections and checks them.
     *
     * @param id the id
     * @param name the name
     * @param disks the disks
     * @param hardware the documents
     * @param facts the facts
     * @throws IllegalArgumentException when the disks are not in ascending order of their ids
     */
    public VmDescription {
        disks = List.copyOf(disks);
        hardware = java.util.Collections.unmodifiableMap(new TreeMap<>(hardware));
        facts = List.copyOf(facts);
        for (int i = 1; i < disks.size(); i++) {
            if (disks.get(i - 1).id().compareTo(disks.get(i).id()) >= 0) {
                throw new IllegalArgumentException("disks must be in ascending order of their ids, none twice: "
                        + disks.get(i - 1).id() + ", " + disks.get(i).id());
            }
        }
    }

    /**
     * One disk of a VM.
     *
     * @param id its id
     * @param capacity its size in bytes
     * @since 0.1
     */
    public record Disk(DiskId id, long capacity) {}
}
