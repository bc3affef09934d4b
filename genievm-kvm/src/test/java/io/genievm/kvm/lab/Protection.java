package io.genievm.kvm.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import io.genievm.api.DiskId;
import io.genievm.api.SessionId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.task.TaskHandle;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Consumer;

/** A repository and a guest to back up to it, as a user of the API does it. */
public final class Protection implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofMinutes(2);

    private final GenieVm genie;
    private final HypervisorConnection connection;
    private final Repository repository;
    private final VmId vm;

    private Protection(GenieVm genie, HypervisorConnection connection, Repository repository, VmId vm) {
        this.genie = genie;
        this.connection = connection;
        this.repository = repository;
        this.vm = vm;
    }

    /** Options of the driver: its scratch folder, and names with values. */
    public static HypervisorConfig config(Path scratch, String... options) {
        Map<String, String> all = new HashMap<>(Map.of("scratch", scratch.toString()));
        for (int i = 0; i < options.length; i += 2) {
            all.put(options[i], options[i + 1]);
        }
        return HypervisorConfig.of(KvmLab.ADDRESS, all);
    }

    /** With a new repository in a folder that is not there yet. */
    public static Protection create(Path folder, String vm, HypervisorConfig config) {
        GenieVm genie = GenieVm.open();
        return new Protection(
                genie,
                genie.connect(config),
                genie.createRepository(BlobStoreConfig.of(folder.toString()), RepositoryOptions.DEFAULT),
                new VmId(vm));
    }

    /** With a repository that is there. */
    public static Protection open(Path folder, String vm, HypervisorConfig config) {
        GenieVm genie = GenieVm.open();
        return new Protection(
                genie,
                genie.connect(config),
                genie.openRepository(BlobStoreConfig.of(folder.toString())),
                new VmId(vm));
    }

    public Repository repository() {
        return repository;
    }

    public HypervisorConnection connection() {
        return connection;
    }

    /** Begins a backup. */
    public TaskHandle<BackupReport> start(Consumer<BackupRequest.Builder> options) {
        BackupRequest.Builder request = BackupRequest.builder(vm);
        options.accept(request);
        return repository.backup(connection, request.build());
    }

    /** Makes a backup. */
    public BackupReport backup(Consumer<BackupRequest.Builder> options) throws InterruptedException {
        return await(start(options));
    }

    /** Waits for a task, which must not take for ever. */
    public static <T> T await(TaskHandle<T> task) throws InterruptedException {
        return task.await(LIMIT)
                .orElseGet(() -> fail("%s does not end: %s %s", task.name(), task.state(), task.progress()));
    }

    /** A backup that has begun and has not read anything. */
    public final class Held implements AutoCloseable {
        private final GatedConnection gate = new GatedConnection(connection);
        private final TaskHandle<BackupReport> task;

        private Held(BackupRequest request) throws InterruptedException {
            task = repository.backup(gate, request);
            assertThat(gate.awaitBegun(LIMIT.toSeconds()))
                    .as("the snapshot has begun")
                    .isTrue();
        }

        /** Lets it go on, and waits for it. */
        public BackupReport finish() throws InterruptedException {
            close();
            return await(task);
        }

        /** Lets it go on. */
        @Override
        public void close() {
            gate.open();
        }
    }

    /** Begins a backup, up to the moment at which its first byte could be read. */
    public Held hold(Consumer<BackupRequest.Builder> options) throws InterruptedException {
        BackupRequest.Builder request = BackupRequest.builder(vm);
        options.accept(request);
        return new Held(request.build());
    }

    /** Restores a point to raw files, by disk. */
    public SortedMap<String, Path> restore(SessionId point, Path folder) throws InterruptedException {
        RestoreReport report = await(repository.restore(
                RestoreRequest.builder(vm).point(point).toFolder(folder).build()));
        SortedMap<String, Path> files = new TreeMap<>();
        for (int i = 0; i < report.files().size(); i++) {
            files.put(report.disks().get(i).id().value(), report.files().get(i));
        }
        return files;
    }

    /** Restores the newest point as a new VM. */
    public RestoreReport restoreToNewVm(String name, Map<String, String> options) throws InterruptedException {
        return await(repository.restore(
                RestoreRequest.builder(vm).toNewVm(connection, name, options).build()));
    }

    /** Restores a point, and compares every disk with a copy. */
    public void assertRestores(SessionId point, Map<String, Path> reference, Path folder) throws InterruptedException {
        SortedMap<String, Path> restored = restore(point, folder);
        assertThat(restored.keySet()).isEqualTo(reference.keySet());
        reference.forEach((disk, expected) -> assertThat(Programs.attempt(
                                Duration.ofMinutes(1),
                                "qemu-img",
                                "compare",
                                "-f",
                                "raw",
                                "-F",
                                "raw",
                                expected.toString(),
                                "" + restored.get(disk))
                        .output()
                        .strip())
                .as("disk %s of point %s", disk, point)
                .isEqualTo("Images are identical."));
    }

    /** One disk of a report. */
    public static BackupReport.Disk disk(BackupReport report, String id) {
        List<BackupReport.Disk> found = report.disks().stream()
                .filter(disk -> disk.id().equals(new DiskId(id)))
                .toList();
        assertThat(found).as("disk %s in %s", id, report).hasSize(1);
        return found.get(0);
    }

    /** One disk of a point, as the repository shows it now. */
    public RestorePoint.Disk disk(SessionId point, String id) {
        return repository.point(point.value()).disks().stream()
                .filter(disk -> disk.id().equals(new DiskId(id)))
                .findAny()
                .orElseThrow();
    }

    @Override
    public void close() {
        connection.close();
        repository.close();
        genie.close();
    }
}
