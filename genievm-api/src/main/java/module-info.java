/** Values, errors and the SPIs of GenieVM. */
module io.genievm.api {
    requires static org.jspecify;

    exports io.genievm.api;
    exports io.genievm.api.hypervisor;
    exports io.genievm.api.store;
    exports io.genievm.api.task;
}
