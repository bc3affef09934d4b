/** Contract tests, fakes and fault injection. */
module io.genievm.testkit {
    requires transitive io.genievm.api;
    requires transitive org.junit.jupiter.api;
    requires org.assertj.core;
    requires static org.jspecify;

    exports io.genievm.testkit;
    exports io.genievm.testkit.fault;

    // The tests of a contract are no API: JUnit finds them by reflection.
    opens io.genievm.testkit to
            org.junit.platform.commons;
}
