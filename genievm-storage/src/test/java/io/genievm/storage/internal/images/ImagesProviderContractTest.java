package io.genievm.storage.internal.images;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.hypervisor.VmCreation;
import io.genievm.testkit.HypervisorProviderContract;
import io.genievm.testkit.KnownVm;
import io.genievm.testkit.LargeVm;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;

class ImagesProviderContractTest extends HypervisorProviderContract {
    @TempDir
    private Path directory;

    private @Nullable TrackedImages images;

    /** Every snapshot is preceded by a job that exports the images with their lists, as a user would have it. */
    @Override
    protected HypervisorProvider provider() {
        return images == null ? new ImagesProvider() : images;
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
            images = new TrackedImages(vm, trackedDisks(vm), folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return vm;
    }

    @Override
    protected Set<DiskId> trackedDisks() {
        return images().tracked();
    }

    @Override
    protected void write(VmId vm, DiskId disk, long offset, byte[] bytes) {
        images().write(disk, offset, bytes);
    }

    @Override
    protected void loseTracking(VmId vm, DiskId disk) {
        images().loseTracking(disk);
    }

    /** All but one, so that disks of both kinds meet in a snapshot. */
    private static Set<DiskId> trackedDisks(KnownVm vm) {
        Set<DiskId> tracked = new TreeSet<>(vm.disks().keySet());
        tracked.remove(new DiskId("one"));
        return tracked;
    }

    @Override
    protected Optional<Class<? extends HypervisorProvider>> providerOfAnotherProcess() {
        return Optional.of(ImagesProvider.class);
    }

    /** Sparse files: one of 8 TiB, one of many pieces, and many small ones. */
    @Override
    protected LargeVm largeVm() throws IOException {
        Path folder = Files.createDirectory(directory.resolve("large"));
        SortedMap<DiskId, LargeVm.Disk> disks = new TreeMap<>();
        SortedMap<Long, byte[]> ends =
                new TreeMap<>(Map.of(5L << 40, Images.random(700), (8L << 40) - 3, Images.random(3)));
        disks.put(new DiskId("huge"), new LargeVm.Disk(8L << 40, ends));
        SortedMap<Long, byte[]> pieces = new TreeMap<>();
        for (long i = 0; i < 1000; i++) {
            pieces.put(i << 20, Images.random(100));
        }
        disks.put(new DiskId("pieces"), new LargeVm.Disk(1L << 40, pieces));
        for (int i = 0; i < 50; i++) {
            disks.put(new DiskId("more-" + i), new LargeVm.Disk(i, new TreeMap<>()));
        }
        for (Map.Entry<DiskId, LargeVm.Disk> disk : disks.entrySet()) {
            try (RandomAccessFile image =
                    new RandomAccessFile(folder.resolve(disk.getKey().value()).toFile(), "rw")) {
                image.setLength(disk.getValue().capacity());
                for (Map.Entry<Long, byte[]> data : disk.getValue().data().entrySet()) {
                    image.seek(data.getKey());
                    image.write(data.getValue());
                }
            }
        }
        return new LargeVm(new VmId("large"), disks);
    }

    private TrackedImages images() {
        return Objects.requireNonNull(images);
    }

    @Override
    protected Set<Class<?>> abilities() {
        return Set.of(VmCreation.class);
    }
}
