package io.genievm.storage.internal.images;

import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;

class ImagesProviderContractTest extends HypervisorProviderContract {
    @TempDir
    private Path directory;

    @Override
    protected HypervisorProvider provider() {
        return new ImagesProvider();
    }

    @Override
    protected HypervisorConfig config() {
        return HypervisorConfig.of("images:" + directory);
    }

    @Override
    protected KnownVm knownVm() {
        KnownVm vm = new KnownVm(
                "web",
                Map.of(
                        "empty", new byte[0],
                        "one", new byte[] {1},
                        "zeroes", new byte[100_000],
                        "root.raw", Images.withHoles(3_000_001),
                        "\u00e4 b", Images.random(65_537)));
        try {
            Path folder = Files.createDirectory(directory.resolve("web"));
            Files.createDirectory(directory.resolve("another"));
            for (var disk : vm.disks().entrySet()) {
                Images.write(folder.resolve(disk.getKey().value()), disk.getValue());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return vm;
    }

    @Override
    protected Set<Class<?>> abilities() {
        return Set.of(VmCreation.class);
    }
}
