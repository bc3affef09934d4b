package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.SessionId;
import io.genievm.api.hypervisor.ExtentCursor;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.PointDiff;
import io.genievm.core.Repository;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Shows where two points differ. */
@Command(
        name = "diff",
        customSynopsis = "genievm diff [-h] [--json] --repo=URL --point=A --point=B",
        description = "Show which ranges of a VM's disks differ between two of its points.",
        footer = {
            "",
            "Ranges are rounded outwards to the repository's chunks. No data of the disks is read: the work grows with"
                    + " what differs."
        },
        sortOptions = false)
final class DiffCommand implements Action {
    private final Context context;

    @Spec
    private CommandSpec spec;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "The repository.")
    private BlobStoreConfig address;

    @Option(
            names = "--point",
            required = true,
            paramLabel = "ID",
            description = "To be given twice: first the point to compare with, then the one that is compared. 8 or more"
                    + " digits that its id begins with.")
    private List<PointPrefix> points = new ArrayList<>();

    DiffCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws IOException {
        if (points.size() != 2) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--point is to be given twice, for the point to compare with and the one that is compared; it was"
                            + " given " + Text.times(points.size()));
        }
        // The work looks for a signal itself, so that what it holds is released.
        context.interruption().cancels(() -> {});
        Spool spool = new Spool(context.interruption()::check);
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.openRepository(address)) {
            SessionId from = repository.point(points.get(0).text()).id();
            SessionId to = repository.point(points.get(1).text()).id();
            context.interruption().check();
            try (PointDiff diff = repository.diff(from, to)) {
                write(diff, spool.stream());
            }
        } catch (Throwable thrown) {
            spool.close();
            throw thrown;
        }
        return new Outcome(ExitStatus.DONE, spool, List.of());
    }

    private void write(PointDiff diff, OutputStream stream) {
        Runnable check = context.interruption()::check;
        try {
            if (context.json()) {
                Json.diff(diff, stream, check);
            } else {
                PrintStream lines = new PrintStream(stream, false, StandardCharsets.UTF_8);
                text(diff, lines, check);
                if (lines.checkError()) {
                    throw new IOException("not all of it was taken");
                }
            }
        } catch (IOException e) {
            throw new GenieVmException(
                    ErrorCode.IO_ERROR,
                    Resource.NONE,
                    "can not write the answer to the folder for temporary files: " + e.getMessage(),
                    e);
        }
    }

    /** Calls {@code check} before each range, to throw when it is not wanted any more. */
    static void text(PointDiff diff, PrintStream lines, Runnable check) {
        long extents = 0;
        long bytes = 0;
        for (PointDiff.Disk disk : diff.disks()) {
            lines.print(heading(disk));
            long before = extents;
            long bytesBefore = bytes;
            try (ExtentCursor cursor = disk.extents()) {
                String row = row(disk);
                while (cursor.next()) {
                    check.run();
                    if (extents == before) {
                        lines.printf(row, "OFFSET", "LENGTH");
                    }
                    lines.printf(row, cursor.offset(), cursor.length());
                    extents++;
                    bytes += cursor.length();
                }
            }
            lines.print("  " + sum(extents - before, bytes - bytesBefore) + "\n");
        }
        lines.print("total: " + Text.count(diff.disks().size(), "disk") + ", " + sum(extents, bytes) + "\n");
    }

    private static String sum(long extents, long bytes) {
        return extents == 0 ? "no difference" : Text.count(extents, "range") + ", " + Units.bytes(bytes);
    }

    private static String heading(PointDiff.Disk disk) {
        Long from = disk.fromCapacity();
        Long to = disk.toCapacity();
        if (from == null || to == null) {
            Long only = from == null ? to : from;
            String what = from == null ? "added" : "removed";
            return disk.id() + ", " + what + ", " + Units.bytes(Objects.requireNonNull(only)) + "\n";
        }
        String before = from.equals(to) ? "" : ", was " + Units.bytes(from);
        return disk.id() + ", " + Units.bytes(to) + before + "\n";
    }

    /** As wide as the disk's size has digits: the ranges are not all at hand when the first is written. */
    private static String row(PointDiff.Disk disk) {
        long capacity = Math.max(orZero(disk.fromCapacity()), orZero(disk.toCapacity()));
        int width = Math.max("OFFSET".length(), Long.toString(capacity).length());
        return "  %" + width + "s  %" + width + "s\n";
    }

    private static long orZero(@Nullable Long capacity) {
        return capacity == null ? 0 : capacity;
    }
}
