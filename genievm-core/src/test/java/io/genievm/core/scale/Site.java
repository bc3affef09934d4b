package io.genievm.core.scale;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.util.Set;
import java.util.function.UnaryOperator;

/** A repository in a store that a test has made, and the host that is backed up to it. */
final class Site implements AutoCloseable {
    private static final BlobStoreConfig PLACE = BlobStoreConfig.of("given:store");

    final SyntheticHost host;
    final GenieVm genie;
    final Repository repository;

    private Site(SyntheticHost host, GenieVm genie, Repository repository) {
        this.host = host;
        this.genie = genie;
        this.repository = repository;
    }

    static Site create(
            BlobStore store, RepositoryOptions options, SyntheticHost host, UnaryOperator<GenieVm.Builder> settings) {
        GenieVm genie = settings.apply(GenieVm.builder().blobStoreProvider(new Given(store)))
                .open();
        return new Site(host, genie, genie.createRepository(PLACE, options));
    }

    static Site open(BlobStore store, SyntheticHost host, UnaryOperator<GenieVm.Builder> settings) {
        GenieVm genie = settings.apply(GenieVm.builder().blobStoreProvider(new Given(store)))
                .open();
        return new Site(host, genie, genie.openRepository(PLACE));
    }

    BackupReport backUp(Codec codec) throws InterruptedException {
        return repository
                .backup(
                        host,
                        BackupRequest.builder(SyntheticHost.VM).codec(codec).build())
                .await();
    }

    RestoreRequest restoreRequest() {
        return RestoreRequest.builder(SyntheticHost.VM)
                .toNewVm(host, "restored")
                .build();
    }

    /** Restores the latest point; the host compares it. */
    RestoreReport restore() throws InterruptedException {
        RestoreReport report = repository.restore(restoreRequest()).await();
        assertThat(report.vm()).isNotNull();
        return report;
    }

    /** Checks every byte of the repository. */
    VerifyReport verify() throws InterruptedException {
        VerifyReport report = repository.verify(VerifyRequest.EVERYTHING).await();
        assertThat(report.damage()).isEmpty();
        return report;
    }

    @Override
    public void close() {
        genie.close();
    }

    /** Provides the one store that it was given. */
    private record Given(BlobStore store) implements BlobStoreProvider {
        @Override
        public String name() {
            return "given";
        }

        @Override
        public Set<String> schemes() {
            return Set.of("given");
        }

        @Override
        public BlobStore open(BlobStoreConfig config) {
            return store;
        }

        @Override
        public BlobStore create(BlobStoreConfig config) {
            return store;
        }
    }
}
