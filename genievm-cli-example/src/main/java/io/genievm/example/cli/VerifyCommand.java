package io.genievm.example.cli;

import io.genievm.api.SessionId;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.Trust;
import io.genievm.core.VerifyReport;
import io.genievm.core.VerifyRequest;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Checks a repository. */
@Command(
        name = "verify",
        description =
                "Check that what the repository holds is what was written, and say what is affected if it is not.",
        sortOptions = false)
final class VerifyCommand implements Action {
    private final Context context;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(
            names = "--point",
            paramLabel = "ID",
            description = "Check only what this point needs: 8 or more digits that its id begins with.")
    private @Nullable PointPrefix point;

    @Option(
            names = "--structure",
            description = "Check that everything is there that is needed, without reading the disks' data.")
    private boolean structure;

    VerifyCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws InterruptedException {
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            SessionId id = point == null ? null : repository.point(point.text()).id();
            VerifyReport report = context.console().follow(repository.verify(new VerifyRequest(id, structure)));
            return new Outcome(
                    report.isOk() ? ExitStatus.DONE : ExitStatus.DAMAGE,
                    Json.verify(report),
                    text(report),
                    Text.notes(report.warnings()));
        }
    }

    private static String text(VerifyReport report) {
        StringBuilder text = new StringBuilder();
        report.damage().forEach(damage -> text.append(Text.line(damage)).append('\n'));
        text.append(
                        report.isOk()
                                ? "no damage"
                                : "DAMAGED, " + Text.count(report.damage().size(), "finding"))
                .append(": " + Units.bytes(report.checkedBytes()) + " checked in " + Units.seconds(report.elapsed())
                        + "\n")
                .append("trust of the disks of " + Text.count(report.points().size(), "point") + ": "
                        + Arrays.stream(Trust.values())
                                .map(trust -> count(report, trust) + " " + Text.word(trust))
                                .collect(Collectors.joining(", "))
                        + "\n");
        if (report.unneededBytes() != null) {
            text.append("unneeded: " + Units.bytes(report.unneededBytes()) + " that no point needs\n");
        }
        VerifyReport.Orphans orphans = report.orphans();
        if (orphans != null && (orphans.sessions() > 0 || orphans.bytes() > 0)) {
            text.append("orphans: " + Text.count(orphans.sessions(), "backup")
                    + " without an end, killed or under way; "
                    + Units.bytes(orphans.bytes())
                    + " of the unneeded are of such or of backups that others have ended\n");
        }
        return text.toString();
    }

    private static long count(VerifyReport report, Trust trust) {
        return report.points().stream()
                .flatMap(checked -> checked.disks().stream())
                .filter(disk -> disk.trust() == trust)
                .count();
    }
}
