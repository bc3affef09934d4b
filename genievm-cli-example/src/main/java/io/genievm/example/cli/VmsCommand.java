package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.core.GenieVm;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Shows what there is to back up. */
@Command(name = "vms", description = "List the VMs that can be backed up, with their disks.", sortOptions = false)
final class VmsCommand implements Action {
    private final Context context;

    @Option(names = "--host", required = true, paramLabel = "H", description = "Where the VMs are.")
    private HypervisorConfig host;

    @Option(
            names = "--host-set",
            paramLabel = "NAME=VALUE",
            description = "How the driver works at the host, as the driver documents it. Can be repeated.")
    private List<DriverOption> hostOptions = new ArrayList<>();

    VmsCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() {
        try (GenieVm genie = context.genie().get();
                HypervisorConnection connection = genie.connect(DriverOption.applied(hostOptions, host))) {
            VmListing listing = connection.vms();
            List<VmDescription> vms = listing.vms().stream()
                    .flatMap(vm -> describe(connection, vm))
                    .toList();
            return new Outcome(
                    ExitStatus.DONE, Json.vms(vms, listing.facts()), table(vms), notes(vms, listing.facts()));
        }
    }

    /** One VM that can not be described, or has just vanished, keeps nobody from seeing the others. */
    private static Stream<VmDescription> describe(HypervisorConnection connection, VmSummary vm) {
        try {
            return Stream.of(connection.describe(vm.id()));
        } catch (GenieVmException e) {
            if (e.code().equals(ErrorCode.NOT_FOUND)) {
                return Stream.empty();
            }
            DriverFact fact = new DriverFact("DESCRIPTION_FAILED", null, String.valueOf(e.getMessage()));
            return Stream.of(new VmDescription(vm.id(), vm.name(), List.of(), Map.of(), List.of(fact)));
        }
    }

    private static String table(List<VmDescription> vms) {
        Table table = new Table().words("VM").words("NAME").words("DISK").figures("CAPACITY");
        for (VmDescription vm : vms) {
            if (vm.disks().isEmpty()) {
                table.row(vm.id().value(), vm.name(), "-", "-");
            }
            vm.disks()
                    .forEach(disk ->
                            table.row(vm.id().value(), vm.name(), disk.id().value(), Units.bytes(disk.capacity())));
        }
        return table.toString();
    }

    private static List<String> notes(List<VmDescription> vms, List<DriverFact> aboutNone) {
        return Stream.concat(
                        aboutNone.stream().map(fact -> "warning: " + fact.message()),
                        vms.stream()
                                .flatMap(vm ->
                                        vm.facts().stream().map(fact -> "warning: " + vm.id() + ": " + fact.message())))
                .toList();
    }
}
