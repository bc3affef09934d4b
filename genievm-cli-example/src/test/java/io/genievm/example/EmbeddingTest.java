package io.genievm.example;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.DiskPlan;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of the README, as an embedder would write it. The README shows the lines between the marks. */
class EmbeddingTest {
    @Test
    void backsUpVerifiesAndRestores(@TempDir Path directory) throws Exception {
        byte[] content = new byte[3_000_000];
        new Random(42).nextBytes(content);
        Path vms = Files.createDirectories(directory.resolve("vms"));
        Path image = Files.createDirectory(vms.resolve("web")).resolve("root.raw");
        Files.write(image, content);
        Files.writeString(vms.resolve("web/root.raw.changes"), "{\"token\":\"a\"}\n");
        String folder = directory.resolve("repository").toString();
        try (GenieVm genie = GenieVm.open()) {
            genie.createRepository(BlobStoreConfig.of(folder), RepositoryOptions.DEFAULT)
                    .close();
        }
        run(vms.toString(), folder, directory.resolve("first"));
        content[1_000_000]++;
        Files.write(image, content);
        Files.writeString(
                vms.resolve("web/root.raw.changes"),
                "{\"token\":\"b\",\"since\":\"a\"}\n{\"offset\":1000000,\"length\":1}\n");

        run(vms.toString(), folder, directory.resolve("second"));

        assertThat(directory.resolve("second/root.raw")).hasBinaryContent(content);
        try (GenieVm genie = GenieVm.open();
                Repository repository = genie.openRepository(BlobStoreConfig.of(folder))) {
            assertThat(repository.points().points())
                    .flatExtracting(RestorePoint::disks)
                    .extracting(RestorePoint.Disk::plan)
                    .containsExactly(DiskPlan.ALL, DiskPlan.CHANGED);
        }
    }

    // example-begin
    static void run(String vms, String folder, Path target) throws InterruptedException {
        VmId web = new VmId("web");
        try (GenieVm genie = GenieVm.open();
                Repository repository = genie.openRepository(BlobStoreConfig.of(folder));
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + vms))) {

            // Reads what has changed, and of what is said not to have one part in 32, to see whether that is true.
            BackupReport backup = repository
                    .backup(
                            host,
                            BackupRequest.builder(web).auditShare(1.0 / 32).build())
                    .await();
            for (BackupReport.Disk disk : backup.disks()) {
                System.out.println(disk.id() + ": " + disk.plan() + ", " + disk.readBytes() + " bytes read, "
                        + disk.audit().comparedBytes() + " compared, of which these were wrong: "
                        + disk.audit().mismatches());
            }

            VerifyReport verified = repository.verify(VerifyRequest.EVERYTHING).await();
            if (!verified.isOk()) {
                throw new IllegalStateException("the repository is damaged");
            }
            for (RestorePoint point : verified.points()) {
                point.disks()
                        .forEach(disk -> System.out.println("point " + point.sequence() + ": " + disk.id() + " is "
                                + disk.trust() + ", " + disk.coveredShare() + " compared"));
            }

            repository
                    .restore(RestoreRequest.builder(web)
                            .point(backup.point())
                            .toFolder(target)
                            .build())
                    .await();
        }
    }
    // example-end
}
