package io.genievm.example.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A VM that is backed up every day for years, beside another. */
@Tag("torture")
class ManyPointsTest {
    private static final VmId VM = new VmId("daily");
    private static final VmId OTHER = new VmId("other");
    private static final int SIZE = 4 << 20;

    @TempDir
    private Path folder;

    @Test
    void eachPointIsWhatTheDiskWas() throws Exception {
        int count = (int) Torture.scaled(200);
        Path image = Files.createDirectories(folder.resolve("vms/daily")).resolve("disk.raw");
        Path other = Files.createDirectories(folder.resolve("vms/other")).resolve("disk.raw");
        byte[] content = SparseFile.noise(1, SIZE);
        Files.write(other, SparseFile.noise(2, SIZE));
        List<SessionId> points = new ArrayList<>();
        List<byte[]> contents = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(3);
        try (GenieVm genie = GenieVm.open();
                Repository repository = genie.createRepository(
                        BlobStoreConfig.of(folder.resolve("repository").toString()), RepositoryOptions.DEFAULT);
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + folder.resolve("vms")))) {
            double first = 0;
            double last = 0;
            for (int i = 0; i < count; i++) {
                for (int change = 0; change < 3; change++) {
                    byte[] piece = SparseFile.noise(random.nextLong(), 1 + random.nextInt(5000));
                    System.arraycopy(piece, 0, content, random.nextInt(SIZE - piece.length), piece.length);
                }
                Files.write(image, content);
                long start = System.nanoTime();
                BackupReport report = repository
                        .backup(host, BackupRequest.builder(VM).build())
                        .await();
                last = (System.nanoTime() - start) / 1e9;
                first = i == 0 ? last : first;
                assertThat(report.sequence()).isEqualTo(i + 1);
                assertThat(report.parent()).isEqualTo(i == 0 ? null : points.get(i - 1));
                // Three changes touch six chunks at the most; with them come a page, a table and a few documents.
                assertThat(report.storedBytes()).isLessThan(i == 0 ? SIZE * 2 : 6 * 65536 + 65536);
                points.add(report.point());
                contents.add(i % 10 == 0 || i == count - 1 ? content.clone() : null);
                if (i % 20 == 0) {
                    BackupReport beside = repository
                            .backup(host, BackupRequest.builder(OTHER).build())
                            .await();
                    assertThat(beside.sequence()).isEqualTo(i / 20 + 1);
                }
            }
            long start = System.nanoTime();
            List<RestorePoint> listed = repository.points().points();
            double listing = (System.nanoTime() - start) / 1e9;
            assertThat(listed.stream().filter(point -> point.vm().equals(VM)).map(RestorePoint::id))
                    .containsExactlyElementsOf(points);

            start = System.nanoTime();
            assertThat(repository.verify(VerifyRequest.EVERYTHING).await().damage())
                    .isEmpty();
            double verifying = (System.nanoTime() - start) / 1e9;

            start = System.nanoTime();
            for (int i = 0; i < count; i++) {
                if (contents.get(i) != null) {
                    Path target = folder.resolve("target-" + i);
                    repository
                            .restore(RestoreRequest.builder(VM)
                                    .point(points.get(i))
                                    .toFolder(target)
                                    .build())
                            .await();
                    assertThat(target.resolve("disk.raw")).hasBinaryContent(contents.get(i));
                }
            }
            double restoring = (System.nanoTime() - start)
                    / 1e9
                    / contents.stream().filter(each -> each != null).count();
            System.out.printf(
                    "%d points: first backup %.2f s, last %.2f s, list %.2f s, verify %.2f s, restore %.2f s each%n",
                    listed.size(), first, last, listing, verifying, restoring);
        }
        for (String command : List.of("list", "verify")) {
            Command.run(
                            folder,
                            List.of("-Xmx256m", "-XX:+ExitOnOutOfMemoryError"),
                            command,
                            "--repo",
                            folder.resolve("repository").toString())
                    .succeeds();
        }
        try (Stream<Path> left = Files.walk(folder.resolve("repository/sessions"))) {
            assertThat(left.filter(Files::isRegularFile)).isEmpty();
        } catch (java.nio.file.NoSuchFileException e) {
            // Not even the folder is left.
            assertThat(folder.resolve("repository/sessions")).doesNotExist();
        }
    }
}
