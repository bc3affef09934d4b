package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.DiskWriting.WritableDisk;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.lab.KvmLab;

/** Opens a disk, writes its first 64 KiB, and goes on for ever. */
final class WritingProcess {
    static final int LENGTH = 64 << 10;

    private WritingProcess() {}

    /**
     * Does it.
     *
     * @param arguments the name of the VM, and the disk
     */
    public static void main(String[] arguments) throws InterruptedException {
        ExistingDisks disks = new ExistingDisks(LibvirtConnection.open(KvmLab.ADDRESS), Steps.SOCKETS);
        WritableDisk disk = disks.openDisk(new VmId(arguments[0]), new DiskId(arguments[1]));
        disk.writer().write(0, Steps.direct(Steps.random(1, LENGTH)));
        disk.writer().flush();
        System.out.println("ready");
        Thread.sleep(Long.MAX_VALUE);
    }
}
