/** Contract tests, fakes and fault injection. */
module io.genievm.testkit {
    requires transitive io.genievm.api;
    requires transitive org.junit.jupiter.api;
    requires org.assertj.core;
    requires static org.jspecify;
}
