package io.genievm.storage.internal.images;

import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.testkit.ForwardingHypervisorConnection;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;

class LoneImageContractTest extends HypervisorProviderContract {
    @TempDir
    private Path directory;

    /** Without its capability to track changes, whose contract wants two disks: see {@link ImagesChangeListTest}. */
    @Override
    protected HypervisorProvider provider() {
        return new ImagesWithoutLists();
    }

    @Override
    protected HypervisorConfig config() {
        return HypervisorConfig.of("images:" + directory.resolve("disk.raw"));
    }

    @Override
    protected KnownVm knownVm() {
        byte[] bytes = Images.withHoles(2_000_003);
        try {
            Images.write(directory.resolve("disk.raw"), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new KnownVm("disk.raw", Map.of("disk.raw", bytes));
    }

    @Override
    protected Optional<Class<? extends HypervisorProvider>> providerOfAnotherProcess() {
        return Optional.of(ImagesProvider.class);
    }

    private static final class ImagesWithoutLists implements HypervisorProvider {
        private final ImagesProvider provider = new ImagesProvider();

        @Override
        public String name() {
            return provider.name();
        }

        @Override
        public Set<String> schemes() {
            return provider.schemes();
        }

        @Override
        public HypervisorConnection open(HypervisorConfig config) {
            return new ForwardingHypervisorConnection(provider.open(config)) {
                @Override
                public Set<Capability> capabilities() {
                    return Set.of(Capability.ALLOCATION);
                }
            };
        }
    }
}
