package io.genievm.testkit;

import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.VmCreation;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.Set;

class InMemoryHypervisorContractTest extends HypervisorProviderContract {
    private final InMemoryHypervisorProvider provider = new InMemoryHypervisorProvider();

    @Override
    protected HypervisorProvider provider() {
        return provider;
    }

    final InMemoryHypervisor hypervisor() {
        return provider.hypervisor("test");
    }

    @Override
    protected HypervisorConfig config() {
        return HypervisorConfig.of("memory:test");
    }

    @Override
    protected KnownVm knownVm() {
        byte[] random = new byte[3_000_001];
        new Random(1).nextBytes(random);
        Arrays.fill(random, 500_000, 1_500_000, (byte) 0);
        KnownVm vm = new KnownVm(
                "web",
                Map.of("empty", new byte[0], "one", new byte[] {1}, "zeroes", new byte[100_000], "root", random));
        InMemoryVm made = hypervisor().addVm("web");
        hypervisor().addVm("another");
        vm.disks().forEach((id, bytes) -> {
            InMemoryDisk disk = made.addDisk(id.value(), bytes);
            if (id.value().equals("zeroes")) {
                disk.zero(0, 70_000);
            }
        });
        return vm;
    }

    @Override
    protected KnownVm writableVm() {
        byte[] random = new byte[1_000_001];
        new Random(2).nextBytes(random);
        KnownVm vm = new KnownVm("idle", Map.of("empty", new byte[0], "one", new byte[] {1}, "root", random));
        InMemoryVm made = hypervisor().addVm("idle");
        made.shutOff(true);
        vm.disks().forEach((id, bytes) -> made.addDisk(id.value(), bytes));
        return vm;
    }

    @Override
    protected Set<Class<?>> abilities() {
        return Set.of(VmCreation.class, DiskWriting.class);
    }
}
