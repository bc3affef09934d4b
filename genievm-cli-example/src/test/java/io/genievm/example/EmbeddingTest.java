package io.genievm.example;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreRequest;
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
        Files.write(Files.createDirectory(vms.resolve("web")).resolve("root.raw"), content);
        Path target = directory.resolve("restored");

        run(vms.toString(), directory.resolve("repository").toString(), target);

        assertThat(target.resolve("root.raw")).hasBinaryContent(content);
    }

    // example-begin
    static void run(String vms, String folder, Path target) throws InterruptedException {
        VmId web = new VmId("web");
        try (GenieVm genie = GenieVm.open();
                Repository repository = genie.createRepository(BlobStoreConfig.of(folder), RepositoryOptions.DEFAULT);
                HypervisorConnection host = genie.connect(HypervisorConfig.of("images:" + vms))) {

            BackupReport backup =
                    repository.backup(host, BackupRequest.builder(web).build()).await();
            System.out.println("point " + backup.point() + ": " + backup.storedBytes() + " bytes stored");

            if (!repository.verify(VerifyRequest.EVERYTHING).await().isOk()) {
                throw new IllegalStateException("the repository is damaged");
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
