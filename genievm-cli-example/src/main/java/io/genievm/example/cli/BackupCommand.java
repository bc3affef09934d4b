package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import java.util.LinkedHashSet;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Backs one VM up. */
@Command(name = "backup", description = "Back a VM up: make a new restore point.", sortOptions = false)
final class BackupCommand implements Action {
    private final Context context;

    @Option(names = "--host", required = true, paramLabel = "H", description = "Where the VM is.")
    private HypervisorConfig host;

    @Option(names = "--vm", required = true, paramLabel = "V", description = "The VM's id, as vms shows it.")
    private VmId vm;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(
            names = "--full",
            description = "Read everything that is allocated, whatever the hypervisor says has changed."
                    + " This version always does.")
    private boolean full;

    @Option(names = "--codec", paramLabel = "CODEC", description = "none, lz4, zstd or zstd:N with N from -7 to 22.")
    private Codec codec = Codec.DEFAULT;

    @Option(names = "--exclude-disk", paramLabel = "ID", description = "Leave this disk out. Can be repeated.")
    private Set<DiskId> excludedDisks = new LinkedHashSet<>();

    @Option(
            names = "--allow-inconsistent",
            description = "Keep a disk that changed while it was read, with a warning, instead of failing.")
    private boolean allowInconsistent;

    @Option(names = "--strict", description = "Exit with 4 when there were warnings.")
    private boolean strict;

    BackupCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws InterruptedException {
        BackupRequest request = BackupRequest.builder(vm)
                .codec(codec)
                .excludedDisks(excludedDisks)
                .allowInconsistent(allowInconsistent)
                .build();
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address);
                HypervisorConnection connection = genie.connect(host)) {
            BackupReport report = context.console().follow(repository.backup(connection, request));
            int status = strict && !report.warnings().isEmpty() ? ExitStatus.WARNINGS : ExitStatus.DONE;
            return new Outcome(status, Json.backup(report), text(report), Text.notes(report.warnings()));
        }
    }

    private static String text(BackupReport report) {
        Table table = new Table()
                .words("DISK")
                .figures("CAPACITY")
                .words("PLAN")
                .words("REASON")
                .figures("READ")
                .figures("CHANGED")
                .figures("STORED")
                .words("TRUST");
        for (BackupReport.Disk disk : report.disks()) {
            table.row(
                    disk.id().value(),
                    Units.bytes(disk.capacity()),
                    disk.plan().name(),
                    disk.reason() == null ? "-" : disk.reason(),
                    Units.bytes(disk.readBytes()),
                    Units.bytes(disk.changedBytes()),
                    Units.bytes(disk.storedBytes()),
                    Text.trust(disk.trust()));
        }
        return table + "point " + report.point() + ", number " + report.sequence() + " of " + report.vm() + ": "
                + Units.bytes(report.storedBytes()) + " stored in " + Units.seconds(report.elapsed()) + "\n";
    }
}
