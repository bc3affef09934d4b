package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** What a driver has to keep when its process dies. For one test. */
final class DeathRules {
    private final DriverUnderTest driver;
    private final Class<? extends HypervisorProvider> provider;
    private final HypervisorConfig config;

    DeathRules(DriverUnderTest driver, Class<? extends HypervisorProvider> provider, HypervisorConfig config) {
        this.driver = driver;
        this.provider = provider;
        this.config = config;
    }

    /** A process is killed while it has a snapshot open; the next one begins, with the same parent. */
    void diesWithAnOpenSnapshot() throws Exception {
        Map<DiskId, ChangeToken> tokens = new HashMap<>();
        try (VmSnapshot snapshot = driver.begin()) {
            for (SnapshotDisk disk : snapshot.disks()) {
                disk.token().ifPresent(token -> tokens.put(disk.id(), token));
            }
            snapshot.committed();
        }
        try (DyingProcess process = DyingProcess.freezing(
                provider, config, driver.known().id(), driver.repository(), DriverUnderTest.newSession(), tokens)) {
            assertThat(process.next(Set.of("open")))
                    .as(
                            "what a fresh process says in which a %s is made by its public constructor and begins a snapshot;"
                                    + " if it can not be made so, override providerOfAnotherProcess():%n%s",
                            provider, process.noise())
                    .isEqualTo("open");
            process.kill();
        }
        driver.assertIsWhole(tokens);
    }
}
