import io.genievm.kvm.internal.KvmProvider;

/** Driver for KVM and QEMU. */
module io.genievm.kvm {
    requires io.genievm.api;
    requires org.slf4j;
    requires static org.jspecify;

    provides io.genievm.api.hypervisor.HypervisorProvider with
            KvmProvider;
}
