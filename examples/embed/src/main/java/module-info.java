/** A product that backs VMs up at night. */
module com.example.nightly {
    requires io.genievm.core;

    exports com.example.nightly;
}
