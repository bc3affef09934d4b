/** Values, errors and the SPIs of GenieVM. */
// The modules that share what is internal are built after this one.
@SuppressWarnings("module")
module io.genievm.api {
    requires jdk.unsupported;
    requires static org.jspecify;

    exports io.genievm.api;
    exports io.genievm.api.hypervisor;
    exports io.genievm.api.internal to
            io.genievm.core,
            io.genievm.storage;
    exports io.genievm.api.store;
    exports io.genievm.api.task;
}
