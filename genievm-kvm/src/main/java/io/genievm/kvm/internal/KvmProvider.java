package io.genievm.kvm.internal;

import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import java.time.Clock;
import java.util.Set;

/**
 * The driver for KVM and QEMU through the libvirt daemon of this machine: {@code qemu:///system}. A VM's id is the domain's
 * name, a disk's the target device. Its options are {@code scratch}, the absolute path of the folder for what a guest
 * overwrites while it is backed up ({@code /var/tmp} unless given), and {@code freeze-timeout}, the longest time in
 * seconds that a guest may be frozen (10 unless given).
 */
public final class KvmProvider implements HypervisorProvider {
    static final String NAME = "kvm";

    private final Clock clock = Clock.systemUTC();

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<String> schemes() {
        return Set.of("kvm", "qemu", "qemu+unix", "qemu+ssh", "qemu+tcp", "qemu+tls", "qemu+libssh", "qemu+libssh2");
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        return new KvmConnection(KvmOptions.of(config), clock);
    }
}
