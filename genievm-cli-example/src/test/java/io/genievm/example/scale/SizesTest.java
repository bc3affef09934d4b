package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Disks of all sizes and with all patterns of holes come back as they were: the same bytes, the same room. */
class SizesTest {
    private static final VmId VM = new VmId("vm");
    private static final int CHUNK = 65536;

    @TempDir
    private Path folder;

    private Path images;

    @BeforeEach
    void makeFolder() throws Exception {
        images = Files.createDirectories(folder.resolve("vms/vm"));
    }

    @ParameterizedTest
    @CsvSource({"65536, 1048576, zstd", "65536, 65536, none", "4096, 1048576, lz4", "1048576, 1048576, zstd:19"})
    void allSizesAtOnce(int chunk, int segment, String codec) throws Exception {
        long[] sizes = {
            0,
            1,
            511,
            512,
            513,
            4095,
            4096,
            4097,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
            (1 << 20) - 1,
            1 << 20,
            (1 << 20) + 1,
            (3 << 20) + 12345
        };
        for (long size : sizes) {
            Files.write(images.resolve("full-" + size), SparseFile.noise(size, (int) size));
            SparseFile.create(images.resolve("empty-" + size), size);
            Files.write(images.resolve("zeroes-" + size), new byte[(int) size]);
            SparseFile.create(images.resolve("end-" + size), size)
                    .write(Math.max(0, size - 1), new byte[] {size == 0 ? 0 : (byte) 7});
        }
        Files.delete(images.resolve("end-0"));
        roundTrip(new RepositoryOptions(chunk, segment, 1 << 20), Codec.parse(codec));
    }

    /** Around the capacities at which a map gets another page, and another level. */
    @Test
    void sizesAroundTheLimitsOfMapPages() throws Exception {
        for (long chunks : new long[] {1024, 1024 * 1024}) {
            for (long bytes = -1; bytes <= 1; bytes++) {
                long size = chunks * CHUNK + bytes;
                SparseFile.create(images.resolve("disk-" + size), size)
                        .write(0, SparseFile.noise(1, 5000))
                        .write(size / 2, SparseFile.noise(2, 70_000))
                        .write(size - 1, new byte[] {1});
            }
        }
        long start = System.nanoTime();
        roundTrip(RepositoryOptions.DEFAULT, Codec.DEFAULT);
        assertThat((System.nanoTime() - start) / 1e9).isLessThan(60);
    }

    @Test
    void severalGibibytesLessOneByteWithDataAtTheVeryEnd() throws Exception {
        long size = (5L << 30) - 1;
        SparseFile.create(images.resolve("disk.raw"), size).write(size - 3, new byte[] {1, 2, 3});
        BackupReport report = roundTrip(RepositoryOptions.DEFAULT, Codec.DEFAULT);
        assertThat(report.disks().get(0).readBytes()).isLessThan(2 * CHUNK);
    }

    @Test
    void aLastChunkOfZeroes() throws Exception {
        for (int tail : new int[] {1, 4096, CHUNK - 1, CHUNK}) {
            byte[] bytes = SparseFile.noise(tail, 3 * CHUNK + tail);
            java.util.Arrays.fill(bytes, 3 * CHUNK, bytes.length, (byte) 0);
            Files.write(images.resolve("written-" + tail), bytes);
            SparseFile.create(images.resolve("hole-" + tail), bytes.length)
                    .write(0, java.util.Arrays.copyOf(bytes, 3 * CHUNK));
        }
        roundTrip(RepositoryOptions.DEFAULT, Codec.DEFAULT);
    }

    @Test
    void blocksOfNoiseAndHolesInTurn() throws Exception {
        SparseFile holes = SparseFile.create(images.resolve("holes"), 16 << 20);
        byte[] written = new byte[16 << 20];
        for (int at = 0; at < written.length; at += 8192) {
            byte[] block = SparseFile.noise(at, 4096);
            holes.write(at, block);
            System.arraycopy(block, 0, written, at, block.length);
        }
        // The same content without a hole: what comes back has them.
        Files.write(images.resolve("written"), written);
        // Zeroes that do not fill a block are data.
        byte[] shifted = new byte[16 << 20];
        System.arraycopy(written, 0, shifted, 2048, shifted.length - 2048);
        Files.write(images.resolve("shifted"), shifted);
        roundTrip(RepositoryOptions.DEFAULT, Codec.DEFAULT);
        assertThat(new SparseFile(folder.resolve("target/written")).allocated())
                .isLessThanOrEqualTo(holes.allocated() * 101 / 100);
    }

    /** Backs up, verifies, restores to files and to a new VM, and compares both. */
    private BackupReport roundTrip(RepositoryOptions options, Codec codec) throws Exception {
        try (GenieVm genie = GenieVm.open();
                Repository repository = genie.createRepository(
                        BlobStoreConfig.of(folder.resolve("repository").toString()), options);
                HypervisorConnection connection =
                        genie.connect(HypervisorConfig.of("images:" + folder.resolve("vms")))) {
            BackupReport report = repository
                    .backup(connection, BackupRequest.builder(VM).codec(codec).build())
                    .await();
            assertThat(repository.verify(VerifyRequest.EVERYTHING).await().damage())
                    .isEmpty();
            repository
                    .restore(RestoreRequest.builder(VM)
                            .toFolder(folder.resolve("target"))
                            .build())
                    .await();
            repository
                    .restore(RestoreRequest.builder(VM)
                            .toNewVm(connection, "again")
                            .build())
                    .await();
            for (Path restored : List.of(folder.resolve("target"), folder.resolve("vms/again"))) {
                assertThat(names(restored)).isEqualTo(names(images));
                for (String name : names(images)) {
                    SparseFile source = new SparseFile(images.resolve(name));
                    SparseFile copy = new SparseFile(restored.resolve(name));
                    copy.requireEqualTo(source);
                    copy.requireNoLargerThan(source);
                    assertThat(copy.zeroBlocks())
                            .as("zeroes written to %s", copy)
                            .isZero();
                }
            }
            BackupReport again = repository
                    .backup(connection, BackupRequest.builder(VM).codec(codec).build())
                    .await();
            assertThat(again.disks()).allSatisfy(disk -> {
                assertThat(disk.changedBytes()).as(disk.id().value()).isZero();
                assertThat(disk.storedBytes()).as(disk.id().value()).isZero();
            });
            return report;
        }
    }

    private static List<String> names(Path folder) throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> !name.startsWith("."))
                    .sorted()
                    .toList();
        }
    }
}
