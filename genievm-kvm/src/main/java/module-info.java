import io.genievm.kvm.internal.KvmProvider;

/** Driver for KVM and QEMU. */
module io.genievm.kvm {
    requires io.genievm.api;
    requires com.fasterxml.jackson.databind;
    requires com.sun.jna;
    requires java.xml;
    requires libvirt;
    requires org.slf4j;
    requires static org.jspecify;

    provides io.genievm.api.hypervisor.HypervisorProvider with
            KvmProvider;
}
