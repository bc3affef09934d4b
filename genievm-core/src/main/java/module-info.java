/** Moves, checks and keeps the data of virtual machines. */
module io.genievm.core {
    requires transitive io.genievm.api;
    requires com.fasterxml.jackson.databind;
    requires com.github.luben.zstd_jni;
    requires org.lz4.java;
    requires org.slf4j;
    requires static org.jspecify;

    exports io.genievm.core;

    uses io.genievm.api.hypervisor.HypervisorProvider;
    uses io.genievm.api.store.BlobStoreProvider;
}
