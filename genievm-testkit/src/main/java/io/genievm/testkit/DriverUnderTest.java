package io.genievm.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.genievm.api.DiskId;
import io.genievm.api.RepositoryId;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.Cancellation;
import io.genievm.api.hypervisor.ChangeToken;
import io.genievm.api.hypervisor.Changes;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.SnapshotDisk;
import io.genievm.api.hypervisor.SnapshotRequest;
import io.genievm.api.hypervisor.VmSnapshot;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.function.Supplier;

/** The driver that a contract tests: an open connection, the known VM, and whose backups are made. For one test. */
final class DriverUnderTest {
    private final Supplier<HypervisorConnection> opening;
    private final KnownVm known;
    private final RepositoryId repository = newRepository();
    private HypervisorConnection connection;

    DriverUnderTest(KnownVm known, Supplier<HypervisorConnection> opening) {
        this.known = known;
        this.opening = opening;
        this.connection = opening.get();
    }

    KnownVm known() {
        return known;
    }

    RepositoryId repository() {
        return repository;
    }

    HypervisorConnection connection() {
        return connection;
    }

    /** Opens another connection in place of the one that was closed. */
    void reconnect() {
        connection = opening.get();
    }

    VmSnapshot begin() {
        return connection.beginSnapshot(known.id(), request().build());
    }

    VmSnapshot begin(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        return connection.beginSnapshot(known.id(), request(owner, parents).build());
    }

    SnapshotRequest.Builder request() {
        return request(repository, Map.of());
    }

    SnapshotRequest.Builder request(RepositoryId owner, Map<DiskId, ChangeToken> parents) {
        return SnapshotRequest.builder(owner, newSession())
                .parentTokens(parents)
                .endedSessions(session -> true);
    }

    static RepositoryId newRepository() {
        return new RepositoryId(UUID.randomUUID().toString().replace("-", ""));
    }

    static SessionId newSession() {
        return new SessionId(UUID.randomUUID().toString().replace("-", ""));
    }

    byte[] bytes(SnapshotDisk disk) {
        return Objects.requireNonNull(known.disks().get(disk.id()));
    }

    /** Takes a new snapshot, which shows that nothing stands in its way, and reads every byte. */
    void assertIsWhole() {
        assertIsWhole(Map.of());
    }

    /** Takes a new snapshot with a parent, whose tokens must be good, and reads every byte. */
    void assertIsWhole(Map<DiskId, ChangeToken> parents) {
        try (VmSnapshot snapshot = begin(repository, parents)) {
            for (SnapshotDisk disk : snapshot.disks()) {
                assertThat(Arrays.mismatch(Disks.read(disk), bytes(disk)))
                        .as("the first byte of disk '%s' that is wrong", disk.id())
                        .isEqualTo(-1);
                ChangeToken parent = parents.get(disk.id());
                if (parent != null) {
                    assertThat(disk.changesSince(parent))
                            .as("the answer of disk '%s' to its parent's token", disk.id())
                            .isInstanceOf(Changes.Known.class);
                }
            }
            snapshot.abandoned();
        }
    }

    /** Cancelled from the beginning. */
    static final class Cancelled implements Cancellation {
        @Override
        public boolean isCancelled() {
            return true;
        }

        @Override
        public void onCancel(Runnable action) {
            action.run();
        }
    }
}
