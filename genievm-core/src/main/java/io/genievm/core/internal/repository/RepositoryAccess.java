package io.genievm.core.internal.repository;

import io.genievm.api.RepositoryId;
import io.genievm.api.store.BlobStore;
import io.genievm.core.Codec;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.format.Segment;
import io.genievm.core.internal.store.CheckedStore;
import io.genievm.core.internal.task.Workers;
import io.genievm.core.internal.work.WorkFiles;
import java.time.Clock;
import java.util.concurrent.Executor;
import java.util.function.Function;

/**
 * What everything that works on one repository needs.
 *
 * @param store where its objects are
 * @param parameters what it was created with
 * @param workFiles where temporary files go
 * @param executor where threads come from
 * @param clock tells the times that documents bear
 * @param memoryBudget bytes for the buffers of one task
 * @param parallelism threads of one task that work on data
 * @param compressors makes the compressor for a codec
 */
public record RepositoryAccess(
        BlobStore store,
        RepositoryParameters parameters,
        WorkFiles workFiles,
        Executor executor,
        Clock clock,
        long memoryBudget,
        int parallelism,
        Function<Codec, Compressor> compressors) {
    /** What this software calls itself in documents. */
    public static final String GENERATOR = "genievm 0.1";

    /** The repository's id. */
    public RepositoryId id() {
        return parameters.id();
    }

    /** The repository's parameters. */
    public RepositoryOptions options() {
        return parameters.options();
    }

    /** The same for a task, whose checkpoint goes before every read of the store. */
    public RepositoryAccess checkedBy(Runnable checkpoint) {
        return by(new CheckedStore(store, checkpoint));
    }

    /** The same by way of another store. */
    public RepositoryAccess by(BlobStore other) {
        return new RepositoryAccess(
                other, parameters, workFiles, executor, clock, memoryBudget, parallelism, compressors);
    }

    /**
     * Threads that read segments, not more than half of the memory budget has room for.
     *
     * @param wanted how many are of use
     */
    public Workers segmentWorkers(int wanted) {
        long room = memoryBudget / 2 / Segment.memory(options().segmentSize());
        return new Workers(executor, (int) Math.max(1, Math.min(wanted, room)));
    }
}
