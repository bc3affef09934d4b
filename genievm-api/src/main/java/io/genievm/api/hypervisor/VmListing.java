package io.genievm.api.hypervisor;

import java.util.List;

/**
 * What a hypervisor has.
 *
 * @param vms the VMs that can be backed up, in ascending order of their ids
 * @param facts what lies among them and is none, and what else was noticed; possibly empty
 * @since 0.1
 */
public record VmListing(List<VmSummary> vms, List<DriverFact> facts) {
    /**
     * Copies the lists.
     *
     * @param vms the VMs
     * @param facts the facts
     */
    public VmListing {
        vms = List.copyOf(vms);
        facts = List.copyOf(facts);
    }
}
