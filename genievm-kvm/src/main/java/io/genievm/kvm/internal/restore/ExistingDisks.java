package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import java.nio.file.Path;

/** Opens the disks of domains that are shut off. Safe for use by several threads. */
public final class ExistingDisks implements DiskWriting {
    /**
     * Opens disks of one daemon's domains.
     *
     * @param libvirt not closed by this
     * @param sockets the folder for Unix sockets
     */
    public ExistingDisks(LibvirtConnection libvirt, Path sockets) {
        throw new UnsupportedOperationException();
    }

    @Override
    public WritableDisk openDisk(VmId vm, DiskId disk) {
        throw new UnsupportedOperationException();
    }
}
