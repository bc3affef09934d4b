package io.genievm.example.cli;

import io.genievm.api.DiskId;
import io.genievm.api.Extent;
import io.genievm.api.VmId;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.QuiesceMode;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.AuditMode;
import io.genievm.core.BackupReport;
import io.genievm.core.BackupRequest;
import io.genievm.core.Codec;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Backs one VM up. */
@Command(name = "backup", description = "Back a VM up: make a new restore point.", sortOptions = false)
final class BackupCommand implements Action {
    private static final int MISMATCHES_SHOWN = 10;

    private final Context context;

    @Spec
    private CommandSpec spec;

    @Option(names = "--host", required = true, paramLabel = "H", description = "Where the VM is.")
    private HypervisorConfig host;

    @Option(
            names = "--host-set",
            paramLabel = "NAME=VALUE",
            description = "How the driver works at the host, as the driver documents it. Can be repeated.")
    private List<DriverOption> hostOptions = new ArrayList<>();

    @Option(names = "--vm", required = true, paramLabel = "V", description = "The VM's id, as vms shows it.")
    private VmId vm;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(
            names = "--full",
            description = "Read everything that is allocated, whatever the hypervisor says has changed. It proves the"
                    + " disks without an audit.")
    private boolean full;

    @Option(
            names = "--audit",
            paramLabel = "HOW",
            description = "How much of what the hypervisor calls unchanged is read all the same and compared: none,"
                    + " sample (a share of it; unless said otherwise) or full (all of it).")
    private @Nullable AuditMode audit;

    @Option(
            names = "--audit-share",
            paramLabel = "P",
            description = "The share of a sample, as a decimal or a fraction: with 1/64, which it is unless said"
                    + " otherwise, 64 backups in a row compare everything.")
    private @Nullable AuditShare auditShare;

    @Option(names = "--codec", paramLabel = "CODEC", description = "none, lz4, zstd or zstd:N with N from -7 to 22.")
    private Codec codec = Codec.DEFAULT;

    @Option(
            names = "--no-compression-check",
            description = "Do not decompress again what was compressed to see whether it is the same.")
    private boolean uncheckedCompression;

    @Option(names = "--exclude-disk", paramLabel = "ID", description = "Leave this disk out. Can be repeated.")
    private Set<DiskId> excludedDisks = new LinkedHashSet<>();

    @Option(
            names = "--quiesce",
            paramLabel = "HOW",
            description = "How far the guest is brought to rest first: none, filesystem or application. Unless said"
                    + " otherwise its file systems, where the hypervisor can do that. Where the guest refuses, the"
                    + " backup goes on with a warning.")
    private @Nullable QuiesceMode quiesce;

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
        BackupRequest request = request();
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address);
                HypervisorConnection connection = genie.connect(DriverOption.applied(hostOptions, host))) {
            BackupReport report = context.console().follow(repository.backup(connection, request));
            List<String> notes = Stream.concat(Text.notes(report.warnings()).stream(), mismatches(report))
                    .toList();
            int status = strict && !report.warnings().isEmpty() ? ExitStatus.WARNINGS : ExitStatus.DONE;
            return new Outcome(status, Json.backup(report), text(report), notes);
        }
    }

    private BackupRequest request() {
        BackupRequest.Builder request = BackupRequest.builder(vm)
                .codec(codec)
                .checkCompression(!uncheckedCompression)
                .excludedDisks(excludedDisks)
                .allowInconsistent(allowInconsistent)
                .full(full);
        if (quiesce != null) {
            request.quiesce(quiesce);
        }
        if (audit != null) {
            refuseFull("--audit");
            request.audit(audit);
        }
        if (auditShare != null) {
            refuseFull("--audit-share");
            if (audit != null && audit != AuditMode.SAMPLE) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--audit-share is the share of a sample and has no effect with --audit " + Text.word(audit));
            }
            request.auditShare(auditShare.value());
        }
        return request.build();
    }

    private void refuseFull(String other) {
        if (full) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--full reads everything, so there is nothing to audit: leave --full or " + other + " out");
        }
    }

    /** The first of each disk: a document has them all. */
    private static Stream<String> mismatches(BackupReport report) {
        return report.disks().stream().flatMap(disk -> {
            List<Extent> mismatches = disk.audit().mismatches();
            Stream<String> first = mismatches.stream()
                    .limit(MISMATCHES_SHOWN)
                    .map(extent -> "mismatch: " + disk.id() + ": bytes " + extent.offset() + " to " + (extent.end() - 1)
                            + " were called unchanged and were not");
            int rest = mismatches.size() - MISMATCHES_SHOWN;
            return rest <= 0
                    ? first
                    : Stream.concat(
                            first,
                            Stream.of("mismatch: " + disk.id() + ": and " + Text.count(rest, "range") + " more"));
        });
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
                .figures("COMPARED")
                .figures("MISMATCHES")
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
                    Units.bytes(disk.audit().comparedBytes()),
                    Integer.toString(disk.audit().mismatches().size()),
                    Text.word(disk.trust()));
        }
        return table + "point " + report.point() + ", number " + report.sequence() + " of " + report.vm() + ": "
                + Units.bytes(report.storedBytes()) + " stored in " + Units.seconds(report.elapsed()) + "\n";
    }
}
