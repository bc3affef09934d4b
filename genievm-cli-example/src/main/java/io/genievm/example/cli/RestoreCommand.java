package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RestoreReport;
import io.genievm.core.RestoreRequest;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Restores one point. */
@Command(
        name = "restore",
        description = "Restore a VM's disks as raw files in a folder, or as a new VM.",
        sortOptions = false)
final class RestoreCommand implements Action {
    private final Context context;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(names = "--vm", required = true, paramLabel = "V", description = "The VM's id, as list shows it.")
    private VmId vm;

    @Option(
            names = "--point",
            paramLabel = "ID",
            converter = PointPrefix.OrLatest.class,
            description = "8 or more digits that the point's id begins with, or latest, which is what is restored"
                    + " without this option.")
    private @Nullable PointPrefix point;

    @Option(names = "--disk", paramLabel = "ID", description = "Restore only this disk. Can be repeated.")
    private Set<DiskId> disks = new LinkedHashSet<>();

    @ArgGroup(multiplicity = "1")
    private Target target;

    /** One of two. */
    static final class Target {
        @Option(
                names = "--to",
                required = true,
                paramLabel = "DIR",
                description = "Write a file for each disk, named by its id, into this folder. No file is overwritten.")
        private @Nullable Path folder;

        @ArgGroup(exclusive = false, multiplicity = "1")
        private @Nullable NewVm newVm;
    }

    /** Where to make a new VM. */
    static final class NewVm {
        @Option(names = "--host", required = true, paramLabel = "H", description = "Make a new VM there.")
        private HypervisorConfig host;

        @Option(names = "--name", paramLabel = "N", description = "The new VM's name; the VM's id unless given.")
        private @Nullable String name;
    }

    RestoreCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws InterruptedException {
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            RestoreRequest.Builder request = RestoreRequest.builder(vm).disks(disks);
            if (point != null) {
                request.point(repository.point(point.text()).id());
            }
            if (target.newVm == null) {
                return restore(repository, request.toFolder(target.folder).build());
            }
            try (HypervisorConnection connection = genie.connect(target.newVm.host)) {
                String name = target.newVm.name == null ? vm.value() : target.newVm.name;
                return restore(repository, request.toNewVm(connection, name).build());
            }
        }
    }

    private Outcome restore(Repository repository, RestoreRequest request) throws InterruptedException {
        RestoreReport report = context.console().follow(repository.restore(request));
        return new Outcome(ExitStatus.DONE, Json.restore(report), text(report), Text.notes(report.warnings()));
    }

    private static String text(RestoreReport report) {
        StringBuilder text = new StringBuilder();
        report.files().forEach(file -> text.append(file).append('\n'));
        if (report.vm() != null) {
            text.append("new VM ").append(report.vm()).append('\n');
        }
        return text.append("point " + report.point() + ": " + Units.bytes(report.writtenBytes()) + " written in "
                        + Units.seconds(report.elapsed()) + "\n")
                .toString();
    }
}
