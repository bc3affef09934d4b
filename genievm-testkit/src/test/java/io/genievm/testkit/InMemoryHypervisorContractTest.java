package io.genievm.testkit;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.VmCreation;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

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

    /** Of three disks one is as large as can be, one is of many pieces, and there are a hundred more. */
    @Override
    protected LargeVm largeVm() {
        SortedMap<DiskId, LargeVm.Disk> disks = new TreeMap<>();
        long most = Long.MAX_VALUE / 2;
        disks.put(
                new DiskId("huge"),
                new LargeVm.Disk(
                        most, new TreeMap<>(Map.of(5L << 40, new byte[] {1, 2}, most - 3, new byte[] {3, 4, 5}))));
        SortedMap<Long, byte[]> pieces = new TreeMap<>();
        for (long i = 0; i < 2000; i++) {
            pieces.put(i << 20, new byte[] {1, (byte) i});
        }
        disks.put(new DiskId("pieces"), new LargeVm.Disk(2L << 40, pieces));
        for (int i = 0; i < 100; i++) {
            disks.put(new DiskId("more-" + i), new LargeVm.Disk(i, new TreeMap<>()));
        }
        InMemoryVm made = hypervisor().addVm("large");
        disks.forEach((id, disk) -> {
            InMemoryDisk one = made.addDisk(id.value(), disk.capacity());
            disk.data().forEach(one::write);
        });
        return new LargeVm(made.id(), disks);
    }

    @Override
    protected Optional<Class<? extends HypervisorProvider>> providerOfAnotherProcess() {
        return Optional.empty();
    }

    @Override
    protected Set<Class<?>> abilities() {
        return Set.of(VmCreation.class, DiskWriting.class);
    }
}
