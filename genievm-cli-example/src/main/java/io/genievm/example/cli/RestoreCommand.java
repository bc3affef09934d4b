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
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Restores one point. */
@Command(
        name = "restore",
        description =
                "Restore a VM's disks as raw files in a folder, as a new VM, or over the disks of one that exists.",
        sortOptions = false)
final class RestoreCommand implements Action {
    private final Context context;

    @Spec
    private CommandSpec spec;

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

    /** A folder, or a hypervisor. */
    static final class Target {
        @Option(
                names = "--to",
                required = true,
                paramLabel = "DIR",
                description = "Write a file for each disk, named by its id, into this folder. No file is overwritten:"
                        + " one that is there must be equal.")
        private @Nullable Path folder;

        @ArgGroup(exclusive = false, multiplicity = "1")
        private @Nullable Hypervisor hypervisor;
    }

    /** Where to make a new VM, or to write over one. */
    static final class Hypervisor {
        @Option(
                names = "--host",
                required = true,
                paramLabel = "H",
                description = "Make a new VM there, or write over one with --over.")
        private HypervisorConfig host;

        @Option(
                names = "--host-set",
                paramLabel = "NAME=VALUE",
                description = "How the driver works at the host, as the driver documents it. Can be repeated.")
        private List<DriverOption> hostOptions = new ArrayList<>();

        @Option(names = "--name", paramLabel = "N", description = "The new VM's name; the VM's id unless given.")
        private @Nullable String name;

        @Option(
                names = "--set",
                paramLabel = "NAME=VALUE",
                description = "How the driver makes the new VM, as the driver documents it. Can be repeated.")
        private List<DriverOption> options = new ArrayList<>();

        @Option(
                names = "--over",
                paramLabel = "VM",
                description =
                        "Write over the disks of this VM, which is shut off and has them with the same sizes. Only"
                                + " what differs is written. While it runs, and if it is interrupted, the disks are a mixture;"
                                + " running it again finishes it.")
        private @Nullable VmId over;
    }

    RestoreCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws InterruptedException {
        checkTarget();
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            RestoreRequest.Builder request = RestoreRequest.builder(vm).disks(disks);
            if (point != null) {
                request.point(repository.point(point.text()).id());
            }
            Hypervisor hypervisor = target.hypervisor;
            if (hypervisor == null) {
                return restore(
                        repository,
                        request.toFolder(Objects.requireNonNull(target.folder)).build());
            }
            try (HypervisorConnection connection =
                    genie.connect(DriverOption.applied(hypervisor.hostOptions, hypervisor.host))) {
                if (hypervisor.over != null) {
                    request.overVm(connection, hypervisor.over);
                } else {
                    String name = hypervisor.name == null ? vm.value() : hypervisor.name;
                    request.toNewVm(connection, name, DriverOption.byName(hypervisor.options));
                }
                return restore(repository, request.build());
            }
        }
    }

    /** What picocli can not tell: which options are only for a new VM. */
    private void checkTarget() {
        Hypervisor hypervisor = target.hypervisor;
        if (hypervisor == null) {
            return;
        }
        if (hypervisor.over != null && (hypervisor.name != null || !hypervisor.options.isEmpty())) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--over writes into a VM that is there: leave --over or "
                            + (hypervisor.name != null ? "--name" : "--set") + " out");
        }
        List<String> twice = DriverOption.twice(hypervisor.options);
        if (!twice.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "--set " + twice.get(0) + " is given more than once");
        }
    }

    private Outcome restore(Repository repository, RestoreRequest request) throws InterruptedException {
        RestoreReport report = context.console().follow(repository.restore(request));
        return new Outcome(ExitStatus.DONE, Json.restore(report), text(report), Text.notes(report.warnings()));
    }

    private String text(RestoreReport report) {
        StringBuilder text = new StringBuilder();
        report.files().forEach(file -> text.append(file).append('\n'));
        if (report.vm() != null) {
            text.append(isOver() ? "over VM " : "new VM ").append(report.vm()).append('\n');
        }
        String compared =
                isOver() || report.comparedBytes() > 0 ? Units.bytes(report.comparedBytes()) + " compared, " : "";
        return text.append("point " + report.point() + ": " + compared + Units.bytes(report.writtenBytes())
                        + " written in " + Units.seconds(report.elapsed()) + "\n")
                .toString();
    }

    private boolean isOver() {
        return target.hypervisor != null && target.hypervisor.over != null;
    }
}
