package io.genievm.example.cli;

import io.genievm.api.hypervisor.DriverFact;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.VmDescription;
import io.genievm.api.hypervisor.VmListing;
import io.genievm.api.hypervisor.VmSummary;
import io.genievm.core.GenieVm;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Shows what there is to back up. */
@Command(name = "vms", description = "List the VMs that can be backed up, with their disks.", sortOptions = false)
final class VmsCommand implements Action {
    private final Context context;

    @Option(names = "--host", required = true, paramLabel = "H", description = "Where the VMs are.")
    private HypervisorConfig host;

    VmsCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() {
        try (GenieVm genie = context.genie().get();
                HypervisorConnection connection = genie.connect(host)) {
            VmListing listing = connection.vms();
            List<VmDescription> vms = listing.vms().stream()
                    .map(VmSummary::id)
                    .map(connection::describe)
                    .toList();
            return new Outcome(
                    ExitStatus.DONE, Json.vms(vms, listing.facts()), table(vms), notes(vms, listing.facts()));
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
