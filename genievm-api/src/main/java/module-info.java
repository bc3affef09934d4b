/** Values, errors and the SPIs of GenieVM. */
module io.genievm.api {
    requires static org.jspecify;
}
