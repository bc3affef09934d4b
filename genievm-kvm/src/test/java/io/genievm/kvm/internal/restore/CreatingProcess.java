package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.DiskWriter;
import io.genievm.api.hypervisor.VmCreation.NewVm;
import io.genievm.kvm.internal.libvirt.LibvirtConnection;
import io.genievm.kvm.lab.KvmLab;
import java.util.Map;

/** Begins to make a VM with one disk, writes some of it, and goes on for ever. */
final class CreatingProcess {
    private CreatingProcess() {}

    /**
     * Does it.
     *
     * @param arguments the name of the VM, and the folder for its disk
     */
    public static void main(String[] arguments) throws InterruptedException {
        NewDomains domains = new NewDomains(LibvirtConnection.open(KvmLab.ADDRESS), Steps.SOCKETS);
        NewVm vm = domains.create(Steps.request(
                arguments[0], Map.of("vda", 8L << 20), Map.of(), Map.of("folder", arguments[1], "type", "qemu")));
        DiskWriter writer = vm.openWriter(new DiskId("vda"));
        writer.write(0, Steps.direct(Steps.random(1, 1 << 20)));
        writer.flush();
        System.out.println("ready");
        Thread.sleep(Long.MAX_VALUE);
    }
}
