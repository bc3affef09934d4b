package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RestorePoint;
import io.genievm.core.RestorePointList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Deletes one point. Asks nobody: it is as much for programs as for people. */
@Command(
        name = "delete",
        description = "Delete one restore point, at once and for good. No other point is harmed.",
        footer = {
            "",
            "What only this point needed stays in the repository until it is collected, and verify tells how much that is.",
            "A point that can not be read any more can be deleted as well."
        },
        sortOptions = false)
final class DeleteCommand implements Action {
    private final Context context;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(
            names = "--point",
            required = true,
            paramLabel = "ID",
            description = "The point: 8 or more digits that its id and no other begins with.")
    private PointPrefix point;

    DeleteCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() {
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            SessionId id = find(repository.points());
            context.interruption().check();
            // A few calls, which are made to the end: half a deletion looks like damage until the next backup.
            context.interruption().cancels(() -> {});
            repository.delete(id);
            return Outcome.done(
                    Json.deleted(id),
                    "deleted point " + id + "; what only it needed takes up space until it is collected\n");
        }
    }

    /** Looks among the points that can not be read as well. */
    private SessionId find(RestorePointList list) {
        List<SessionId> found = Stream.concat(
                        list.points().stream().map(RestorePoint::id),
                        list.unreadable().stream().flatMap(damage -> damage.points().stream()))
                .filter(id -> id.value().startsWith(point.text()))
                .distinct()
                .toList();
        if (found.isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND,
                    Resource.named(point.text()),
                    "no restore point begins with '" + point.text() + "'");
        }
        if (found.size() > 1) {
            throw new GenieVmException(
                    ErrorCode.AMBIGUOUS,
                    Resource.named(point.text()),
                    "nothing is deleted: " + found.size() + " points begin with '" + point.text() + "': "
                            + found.stream().map(SessionId::value).collect(Collectors.joining(", ")));
        }
        return found.get(0);
    }
}
