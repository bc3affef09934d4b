package io.genievm.vmware.internal;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import java.util.Set;

/**
 * Holds the name and the schemes of the driver for VMware vSphere, and refuses to connect: this version does not have the
 * driver yet. So a user is told by name what is missing, and no other provider can take the name in between.
 */
public final class VmwareProvider implements HypervisorProvider {
    @Override
    public String name() {
        return "vmware";
    }

    @Override
    public Set<String> schemes() {
        return Set.of("vsphere", "vmware");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        throw new GenieVmException(
                ErrorCode.UNSUPPORTED,
                Resource.named(config.address()),
                "the driver 'vmware' (VMware vSphere) is not available in this version of GenieVM; the driver 'images' is:"
                        + " images:<folder of disk images>");
    }
}
