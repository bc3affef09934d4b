import io.genievm.vmware.internal.VmwareProvider;

/** Driver for VMware vSphere. */
module io.genievm.vmware {
    requires io.genievm.api;
    requires static org.jspecify;

    provides io.genievm.api.hypervisor.HypervisorProvider with
            VmwareProvider;
}
