package io.genievm.example.cli;

import io.genievm.api.store.BlobStoreConfig;
import io.genievm.core.GenieVm;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Creates a repository. */
@Command(name = "init", description = "Create a repository in an empty place.", sortOptions = false)
final class InitCommand implements Action {
    private final Context context;

    @Option(names = "--repo", required = true, paramLabel = "URL", description = "Where to create it.")
    private BlobStoreConfig address;

    InitCommand(Context context) {
        this.context = context;
    }

    @Override
    public Outcome perform() {
        try (GenieVm genie = context.genie().get();
                Repository repository = genie.createRepository(address, RepositoryOptions.DEFAULT)) {
            return Outcome.done(
                    Json.created(repository.id()),
                    "created repository " + repository.id() + " in " + address.address() + "\n");
        }
    }
}
