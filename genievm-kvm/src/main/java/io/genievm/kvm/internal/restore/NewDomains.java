package io.genievm.kvm.internal.restore;

import io.genievm.api.hypervisor.VmCreation;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import java.nio.file.Path;

/** Makes domains. Safe for use by several threads. */
public final class NewDomains implements VmCreation {
    /**
     * Makes domains of one daemon.
     *
     * @param libvirt not closed by this
     * @param sockets the folder for Unix sockets
     */
    public NewDomains(LibvirtConnection libvirt, Path sockets) {
        throw new UnsupportedOperationException();
    }

    @Override
    public NewVm create(NewVmRequest request) {
        throw new UnsupportedOperationException();
    }
}
