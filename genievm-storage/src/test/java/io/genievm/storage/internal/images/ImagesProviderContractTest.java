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
                        "empty",
                        new byte[0],
                        "one",
                        new byte[] {1},
                        "511",
                        Images.random(511),
                        "512",
                        Images.random(512),
                        "65535",
                        Images.random(65_535),
                        "65536",
                        Images.random(65_536),
                        "65537",
                        Images.random(65_537),
                        "zeroes",
                        new byte[100_000],
                        "root.raw",
                        Images.withHoles(3_000_001),
                        Images.foreignName(),
                        Images.withHoles(65_537)));
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
