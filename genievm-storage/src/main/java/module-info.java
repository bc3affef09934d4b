/** Blob stores, and a driver for folders of disk images. */
module io.genievm.storage {
    requires transitive io.genievm.api;
    requires com.fasterxml.jackson.core;
    requires com.sun.jna;
    requires org.slf4j;
    requires static org.jspecify;

    provides io.genievm.api.hypervisor.HypervisorProvider with
            io.genievm.storage.internal.images.ImagesProvider;
    provides io.genievm.api.store.BlobStoreProvider with
            io.genievm.storage.internal.local.LocalBlobStoreProvider;
}
