/** Driver for KVM and QEMU. */
module io.genievm.kvm {
    requires io.genievm.api;
    requires com.sun.jna;
    requires libvirt;
    requires org.slf4j;
    requires static org.jspecify;
}
