package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.Capability;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.testkit.ForwardingHypervisorConnection;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import io.genievm.testkit.LargeVm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
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

    /** In the one place where an image can be: 4 TiB with a thousand pieces. */
    @Override
    protected LargeVm largeVm() throws IOException {
        long capacity = (4L << 40) + 5;
        SortedMap<Long, byte[]> pieces = new TreeMap<>(Map.of(capacity - 3, new byte[] {1, 2, 3}));
        for (long i = 0; i < 1000; i++) {
            pieces.put((i << 30) + i, Images.random(100));
        }
        try (RandomAccessFile image =
                new RandomAccessFile(directory.resolve("disk.raw").toFile(), "rw")) {
            image.setLength(0);
            image.setLength(capacity);
            for (Map.Entry<Long, byte[]> piece : pieces.entrySet()) {
                image.seek(piece.getKey());
                image.write(piece.getValue());
            }
        }
        return new LargeVm(
                new VmId("disk.raw"),
                new TreeMap<>(Map.of(new DiskId("disk.raw"), new LargeVm.Disk(capacity, pieces))));
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
