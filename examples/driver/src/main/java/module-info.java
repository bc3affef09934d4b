/** Driver for Toasters. */
module com.example.toaster {
    requires io.genievm.api;

    provides io.genievm.api.hypervisor.HypervisorProvider with
            com.example.toaster.ToasterProvider;
}
