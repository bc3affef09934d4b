package io.genievm.example.cli;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Shows that it works. */
@Command(
        name = "demo",
        description =
                "Back generated disks up, back up what has changed, find a lie about what has, compare points, verify,"
                        + " restore all points and compare every byte.",
        sortOptions = false)
final class DemoCommand implements Action {
    private final Context context;

    @Option(
            names = "--keep",
            paramLabel = "DIR",
            description = "Work in this folder, which must be empty or not exist, and leave everything there.")
    private @Nullable Path keep;

    DemoCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() throws IOException, InterruptedException {
        // From here on there is something to clean up; the demo itself looks for a signal now and then.
        context.interruption().cancels(() -> {});
        if (keep != null) {
            Files.createDirectories(keep);
            requireEmpty(keep);
            return demo(keep);
        }
        Path directory = Files.createTempDirectory("genievm-demo-");
        try {
            return demo(directory);
        } finally {
            delete(directory);
        }
    }

    private Outcome demo(Path directory) throws IOException, InterruptedException {
        List<Demo.Step> steps = new Demo(context, directory).run();
        return Outcome.done(
                Json.demo(steps, keep == null ? null : keep.toString()),
                table(steps) + (keep == null ? "" : "repository: " + keep.resolve("repository") + "\n"));
    }

    private static String table(List<Demo.Step> steps) {
        Table table = new Table()
                .words("STEP")
                .figures("READ")
                .figures("STORED")
                .figures("TIME")
                .words("RESULT");
        for (Demo.Step step : steps) {
            table.row(
                    step.name(),
                    bytes(step.figures().readBytes()),
                    bytes(step.figures().storedBytes()),
                    Units.seconds(step.elapsed()),
                    step.figures().result());
        }
        return table.toString();
    }

    private static String bytes(@Nullable Long bytes) {
        return bytes == null ? "-" : Units.bytes(bytes);
    }

    private static void requireEmpty(Path directory) throws IOException {
        try (Stream<Path> entries = Files.list(directory)) {
            if (entries.findAny().isPresent()) {
                throw new GenieVmException(
                        ErrorCode.ALREADY_EXISTS, Resource.named(directory.toString()), directory + " is not empty");
            }
        }
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> entries = Files.walk(directory)) {
            for (Path entry : entries.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(entry);
            }
        }
    }
}
