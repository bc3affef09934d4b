package io.genievm.storage.internal.images;

import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;

class LoneImageContractTest extends HypervisorProviderContract {
    @TempDir
    private Path directory;

    @Override
    protected HypervisorProvider provider() {
        return new ImagesProvider();
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
}
