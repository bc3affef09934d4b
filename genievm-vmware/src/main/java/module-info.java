/** Driver for VMware vSphere. */
module io.genievm.vmware {
    requires io.genievm.api;
    requires com.sun.jna;
    requires org.slf4j;
    requires static org.jspecify;
}
