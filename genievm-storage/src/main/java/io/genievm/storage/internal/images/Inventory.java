package io.genievm.storage.internal.images;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.api.hypervisor.VmListing;
import java.nio.file.Path;
import java.util.Optional;

/** Which VMs there are at an address. */
interface Inventory {
    /** The folder or file of the address, links resolved. */
    Path place();

    /** Lists the VMs. */
    VmListing vms();

    /**
     * Looks at one VM.
     *
     * @throws io.genievm.api.GenieVmException with {@code NOT_FOUND} when it is none
     */
    ImagesVm find(VmId id);

    /** The folder in which VMs can be made, if this is one. See {@link VmCreation}. */
    Optional<Path> folder();
}
