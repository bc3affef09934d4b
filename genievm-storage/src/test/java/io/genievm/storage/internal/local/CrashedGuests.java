package io.genievm.storage.internal.local;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.testkit.InMemoryDisk;
import io.genievm.testkit.InMemoryHypervisor;
import io.genievm.testkit.InMemoryVm;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/** VMs on a host of its own, which no power cut hits, and which change between backups. */
final class CrashedGuests {
    private final InMemoryHypervisor hypervisor = new InMemoryHypervisor();
    private final HypervisorConnection connection;

    CrashedGuests(Random random) {
        hypervisor.trackChanges(random.nextBoolean());
        connection = hypervisor.connect();
        for (int i = 0; i < 2; i++) {
            InMemoryVm vm = hypervisor.addVm("vm" + i);
            vm.addDisk("root", noise(random, 150_000));
            if (random.nextBoolean()) {
                vm.addDisk("data", noise(random, 60_000));
            }
        }
        if (random.nextInt(8) == 0) {
            // More than one pack.
            hypervisor.vm("vm0").disk("root").resize(1_700_000);
            hypervisor.vm("vm0").disk("root").write(0, noise(random, 1_100_000));
        }
        hypervisor
                .vm("vm1")
                .disk("root")
                .write(0, hypervisor.vm("vm0").disk("root").read(0, 50_000));
    }

    HypervisorConnection connection() {
        return connection;
    }

    VmId any(Random random) {
        return new VmId("vm" + random.nextInt(2));
    }

    /** Changes something, most often little. */
    void change(VmId id, Random random) {
        InMemoryVm vm = hypervisor.vm(id.value());
        for (InMemoryDisk disk : vm.disks()) {
            int changes = random.nextInt(4);
            for (int i = 0; i < changes; i++) {
                byte[] bytes = noise(random, 1 + random.nextInt(15_000));
                disk.write(random.nextInt((int) disk.capacity() - bytes.length), bytes);
            }
        }
        if (random.nextInt(8) == 0) {
            InMemoryDisk disk = vm.disk("root");
            disk.resize(disk.capacity() + 4096L * random.nextInt(10));
        }
    }

    Map<DiskId, byte[]> content(VmId id) {
        return content(hypervisor, id);
    }

    static Map<DiskId, byte[]> content(InMemoryHypervisor of, VmId id) {
        Map<DiskId, byte[]> content = new TreeMap<>((a, b) -> a.value().compareTo(b.value()));
        of.vm(id.value()).disks().forEach(disk -> content.put(disk.id(), disk.content()));
        return content;
    }

    private static byte[] noise(Random random, int length) {
        byte[] bytes = new byte[random.nextInt(length) + length / 2];
        random.nextBytes(bytes);
        return bytes;
    }
}
