package io.genievm.core.internal.engine;

import io.genievm.api.CorruptDataException;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.RepositoryId;
import io.genievm.api.Resource;
import io.genievm.api.store.BlobContent;
import io.genievm.api.store.BlobStore;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.api.store.PutOutcome;
import io.genievm.core.Codec;
import io.genievm.core.Repository;
import io.genievm.core.RepositoryOptions;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.format.Manifest;
import io.genievm.core.internal.format.ObjectKeys;
import io.genievm.core.internal.format.RepositoryParameters;
import io.genievm.core.internal.repository.RepositoryAccess;
import io.genievm.core.internal.store.RetryBudget;
import io.genievm.core.internal.store.RetryingStore;
import io.genievm.core.internal.work.WorkFiles;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What the repositories that one program has open share. Safe for use by several threads. */
public final class Engine implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Engine.class);

    private final Executor executor;
    private final @Nullable ExecutorService ownExecutor;
    private final Clock clock;
    private final WorkFiles workFiles;
    private final long memoryBudget;
    private final int parallelism;
    private final long storePatience;
    private final Function<Codec, Compressor> compressors;
    private final List<OpenRepository> open = new ArrayList<>();
    private boolean closed;

    /** Makes an engine; without an executor it makes threads of its own. */
    public Engine(
            @Nullable Executor executor,
            Clock clock,
            @Nullable Path workDirectory,
            long memoryBudget,
            int parallelism,
            Duration storePatience,
            Function<Codec, Compressor> compressors) {
        if (executor == null) {
            AtomicInteger number = new AtomicInteger();
            this.ownExecutor = Executors.newCachedThreadPool(task -> {
                Thread thread = new Thread(task, "genievm-" + number.incrementAndGet());
                thread.setDaemon(true);
                return thread;
            });
            this.executor = ownExecutor;
        } else {
            this.ownExecutor = null;
            this.executor = executor;
        }
        this.clock = clock;
        this.workFiles = new WorkFiles(workDirectory);
        this.memoryBudget = memoryBudget;
        this.parallelism = parallelism;
        this.storePatience = storePatience.toNanos();
        this.compressors = compressors;
    }

    /** Opens the repository in a place. */
    public Repository open(BlobStoreProvider provider, BlobStoreConfig config) {
        checkOpen();
        BlobStore store = provider.open(config);
        RetryBudget budget = new RetryBudget(storePatience);
        try {
            return register(store, budget, readParameters(retrying(store, budget), config));
        } catch (RuntimeException | Error e) {
            store.close();
            throw e;
        }
    }

    /** Creates a repository in an empty place. */
    public Repository create(BlobStoreProvider provider, BlobStoreConfig config, RepositoryOptions options) {
        checkOpen();
        byte[] random = new byte[16];
        new SecureRandom().nextBytes(random);
        RepositoryParameters parameters = new RepositoryParameters(
                new RepositoryId(HexFormat.of().formatHex(random)),
                clock.instant(),
                RepositoryAccess.GENERATOR,
                options);
        BlobStore store = provider.create(config);
        RetryBudget budget = new RetryBudget(storePatience);
        try {
            byte[] bytes = parameters.encode();
            BlobStore retrying = retrying(store, budget);
            if (retrying.put(ObjectKeys.REPOSITORY, BlobContent.of(bytes)) == PutOutcome.EXISTS) {
                throw new GenieVmException(
                        ErrorCode.ALREADY_EXISTS,
                        Resource.named(config.address()),
                        "a repository is being created by somebody else at " + config.address());
            }
            putCopy(retrying, bytes);
            return register(store, budget, parameters);
        } catch (RuntimeException | Error e) {
            store.close();
            throw e;
        }
    }

    /** The repository exists already; a writer puts the copy later when it is missing. */
    private static void putCopy(BlobStore store, byte[] bytes) {
        try {
            store.put(ObjectKeys.REPOSITORY_COPY, BlobContent.of(bytes));
        } catch (GenieVmException e) {
            LOG.warn("{} could not be put", ObjectKeys.REPOSITORY_COPY, e);
        }
    }

    @Override
    public void close() {
        List<OpenRepository> repositories;
        synchronized (this) {
            closed = true;
            repositories = List.copyOf(open);
        }
        repositories.forEach(OpenRepository::close);
        if (ownExecutor != null) {
            ownExecutor.shutdown();
            boolean interrupted = false;
            while (true) {
                try {
                    if (ownExecutor.awaitTermination(1, TimeUnit.DAYS)) {
                        break;
                    }
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    void forget(OpenRepository repository) {
        synchronized (this) {
            open.remove(repository);
        }
    }

    /** For the time before there is a repository that could be closed meanwhile. */
    private static BlobStore retrying(BlobStore store, RetryBudget budget) {
        return new RetryingStore(store, budget, Engine::await, (failure, pause) -> {});
    }

    private static boolean await(long nanos) {
        try {
            TimeUnit.NANOSECONDS.sleep(nanos);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private Repository register(BlobStore store, RetryBudget budget, RepositoryParameters parameters) {
        OpenRepository repository = new OpenRepository(
                this,
                store,
                budget,
                new RepositoryAccess(
                        store, parameters, workFiles, executor, clock, memoryBudget, parallelism, compressors));
        synchronized (this) {
            checkOpen();
            open.add(repository);
        }
        return repository;
    }

    private synchronized void checkOpen() {
        if (closed) {
            throw new GenieVmException(ErrorCode.CLOSED, "this GenieVm is closed");
        }
    }

    /** Reads the parameters, from the copy where the first is damaged or missing. */
    private static RepositoryParameters readParameters(BlobStore store, BlobStoreConfig config) {
        GenieVmException failure;
        try {
            return readParameters(store, ObjectKeys.REPOSITORY);
        } catch (CorruptDataException e) {
            failure = e;
        } catch (GenieVmException e) {
            if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                throw e;
            }
            failure = e;
        }
        try {
            return readParameters(store, ObjectKeys.REPOSITORY_COPY);
        } catch (GenieVmException e) {
            if (failure instanceof CorruptDataException) {
                failure.addSuppressed(e);
                throw failure;
            }
            if (!e.code().equals(ErrorCode.NOT_FOUND)) {
                throw e;
            }
            throw new GenieVmException(
                    ErrorCode.NOT_A_REPOSITORY,
                    Resource.named(config.address()),
                    config.address() + " is no repository: it has no " + ObjectKeys.REPOSITORY
                            + "; create one with init",
                    failure);
        }
    }

    private static RepositoryParameters readParameters(BlobStore store, String key) {
        return RepositoryParameters.decode(key, store.getAll(key, Manifest.MAX_BYTES));
    }
}
