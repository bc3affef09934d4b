package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.VmId;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Shows what can be restored. */
@Command(name = "list", description = "List the restore points, oldest first.", sortOptions = false)
final class ListCommand implements Action {
    private final Context context;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(names = "--vm", paramLabel = "V", description = "Only points of this VM.")
    private @Nullable VmId vm;

    ListCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() {
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            RestorePointList list = repository.points();
            List<RestorePoint> points = oldestFirst(list.points()).stream()
                    .filter(point -> vm == null || point.vm().equals(vm))
                    .toList();
            if (vm != null && points.isEmpty() && list.unreadable().isEmpty()) {
                throw new GenieVmException(
                        ErrorCode.NOT_FOUND, Resource.of(vm), "the repository has no point of VM '" + vm + "'");
            }
            return new Outcome(
                    list.unreadable().isEmpty() ? ExitStatus.DONE : ExitStatus.DAMAGE,
                    Json.points(points, list.unreadable()),
                    table(points),
                    list.unreadable().stream().map(Text::line).toList());
        }
    }

    /**
     * Mixes the VMs by time. Within a VM the order is that of the list, which does not hang on clocks: a point counts as
     * no older than any before it.
     */
    static List<RestorePoint> oldestFirst(List<RestorePoint> byVm) {
        record Placed(RestorePoint point, Instant time) {}
        Map<VmId, Instant> newest = new HashMap<>();
        List<Placed> placed = new ArrayList<>();
        for (RestorePoint point : byVm) {
            Instant time =
                    newest.merge(point.vm(), point.created(), (before, own) -> before.isAfter(own) ? before : own);
            placed.add(new Placed(point, time));
        }
        placed.sort(Comparator.comparing(Placed::time));
        return placed.stream().map(Placed::point).toList();
    }

    private static String table(List<RestorePoint> points) {
        Table table = new Table()
                .words("POINT")
                .words("VM")
                .figures("NUMBER")
                .words("CREATED")
                .figures("DISKS")
                .figures("CAPACITY")
                .words("TRUST");
        for (RestorePoint point : points) {
            table.row(
                    point.id().value(),
                    point.vm().value(),
                    Long.toString(point.sequence()),
                    point.created().truncatedTo(ChronoUnit.SECONDS).toString(),
                    Integer.toString(point.disks().size()),
                    Units.bytes(point.disks().stream()
                            .mapToLong(RestorePoint.Disk::capacity)
                            .sum()),
                    trust(point));
        }
        return table.toString();
    }

    /** One word where it is that of all disks. */
    static String trust(RestorePoint point) {
        List<String> different =
                point.disks().stream().map(Text::trust).distinct().toList();
        return switch (different.size()) {
            case 0 -> "-";
            case 1 -> different.get(0);
            default ->
                point.disks().stream()
                        .map(disk -> disk.id() + " " + Text.trust(disk))
                        .collect(Collectors.joining(", "));
        };
    }
}
