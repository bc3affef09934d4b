package io.genievm.core;

import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.core.internal.engine.Engine;
import io.genievm.core.internal.format.Compressor;
import io.genievm.core.internal.spi.Providers;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * The entry point: knows the drivers and stores, and holds what tasks share. Safe for use by several threads. One is
 * enough for a process; several do not disturb each other. There is no static state.
 *
 * @since 0.1
 */
public final class GenieVm implements AutoCloseable {
    private final Providers providers;
    private final Engine engine;

    private GenieVm(Builder builder) {
        this.providers = new Providers(builder.hypervisorProviders, builder.storeProviders, builder.classLoader);
        this.engine = new Engine(
                builder.executor,
                builder.clock,
                builder.workDirectory,
                builder.memoryBudget,
                builder.parallelism,
                builder.storePatience,
                builder.compressors);
    }

    /**
     * Opens one with default settings.
     *
     * @return owned and closed by the caller
     */
    public static GenieVm open() {
        return builder().open();
    }

    /**
     * Begins one with settings of its own.
     *
     * @return a builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Connects to a hypervisor.
     *
     * @param config its address {@code <scheme>:<rest>} and options
     * @return the connection, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code UNSUPPORTED} when no driver serves the scheme, naming those
     *     that are known, or as {@link HypervisorProvider#open} says
     */
    public HypervisorConnection connect(HypervisorConfig config) {
        return providers.hypervisor(config.scheme()).open(config);
    }

    /**
     * Opens a repository.
     *
     * @param config its address, a folder or {@code <scheme>:<rest>}, and options
     * @return the repository, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code NOT_A_REPOSITORY}, {@code FORMAT_TOO_NEW},
     *     {@code CORRUPT_DATA} when it can not be known what the repository is, {@code UNSUPPORTED} when no store
     *     serves the scheme, or as {@link BlobStoreProvider#open} says
     */
    public Repository openRepository(BlobStoreConfig config) {
        return engine.open(providers.store(config.scheme()), config);
    }

    /**
     * Creates a repository in an empty place and opens it.
     *
     * @param config its address, a folder or {@code <scheme>:<rest>}, and options
     * @param options its parameters for ever
     * @return the repository, owned and closed by the caller
     * @throws io.genievm.api.GenieVmException with {@code ALREADY_EXISTS}, {@code UNSUPPORTED}, or as
     *     {@link BlobStoreProvider#create} says; the place is then as it was before
     */
    public Repository createRepository(BlobStoreConfig config, RepositoryOptions options) {
        return engine.create(providers.store(config.scheme()), config, options);
    }

    /**
     * Closes what is shared. Repositories that are still open are closed first: their tasks are cancelled and waited
     * for. An injected executor is left alone; own threads have ended when this returns.
     */
    @Override
    public void close() {
        engine.close();
    }

    /**
     * Collects the settings of a {@link GenieVm}. For one thread.
     *
     * @since 0.1
     */
    public static final class Builder {
        private final List<HypervisorProvider> hypervisorProviders = new ArrayList<>();
        private final List<BlobStoreProvider> storeProviders = new ArrayList<>();
        private @Nullable ClassLoader classLoader;
        private @Nullable Executor executor;
        private Clock clock = Clock.systemUTC();
        private @Nullable Path workDirectory;
        private long memoryBudget = 56L << 20;
        private int parallelism = Runtime.getRuntime().availableProcessors();
        private Duration storePatience = Duration.ofMinutes(1);
        private Function<Codec, Compressor> compressors = Compressor::of;

        private Builder() {}

        /**
         * Adds a driver. It goes before those that are found with {@link java.util.ServiceLoader}.
         *
         * @param provider the driver
         * @return this builder
         */
        public Builder hypervisorProvider(HypervisorProvider provider) {
            hypervisorProviders.add(provider);
            return this;
        }

        /**
         * Adds a kind of store. It goes before those that are found with {@link java.util.ServiceLoader}.
         *
         * @param provider the kind of store
         * @return this builder
         */
        public Builder blobStoreProvider(BlobStoreProvider provider) {
            storeProviders.add(provider);
            return this;
        }

        /**
         * Sets where {@link java.util.ServiceLoader} looks for drivers and stores.
         *
         * @param loader the class loader; the thread's context class loader unless set
         * @return this builder
         */
        public Builder classLoader(ClassLoader loader) {
            this.classLoader = loader;
            return this;
        }

        /**
         * Sets where tasks run. A task takes one thread and uses up to {@link #parallelism} more while they are to be
         * had, and up to eight that read ahead where disks take their time; it comes to its end with one. Without an executor tasks run in daemon threads of their own, named
         * {@code genievm-…}.
         *
         * @param value runs commands in other threads, in any number, which nobody interrupts while a task works in them; it
         *     queues or refuses what it has no thread for, and never waits for one;
         *     stays the caller's
         * @return this builder
         */
        public Builder executor(Executor value) {
            this.executor = value;
            return this;
        }

        /**
         * Sets the clock for the times that points bear.
         *
         * @param value the clock
         * @return this builder
         */
        public Builder clock(Clock value) {
            this.clock = value;
            return this;
        }

        /**
         * Sets where temporary files go: merged index tables, sorted lists. They are removed when a task ends; those
         * of a killed process are removed by the next one.
         *
         * @param value a folder, which is made if it does not exist; {@code java.io.tmpdir} unless set
         * @return this builder
         */
        public Builder workDirectory(Path value) {
            this.workDirectory = value;
            return this;
        }

        /**
         * Sets the most memory for buffers of one task, heap and direct memory together.
         *
         * @param bytes at least 16 MiB; 56 MiB unless set
         * @return this builder
         * @throws IllegalArgumentException when it is less
         */
        public Builder memoryBudget(long bytes) {
            if (bytes < 16 << 20) {
                throw new IllegalArgumentException("the memory budget is at least 16777216 bytes, not " + bytes);
            }
            this.memoryBudget = bytes;
            return this;
        }

        /**
         * Sets how many threads of a task work on data at a time.
         *
         * @param threads 1 to 256; the number of processors unless set
         * @return this builder
         * @throws IllegalArgumentException when it is out of bounds
         */
        public Builder parallelism(int threads) {
            if (threads < 1 || threads > 256) {
                throw new IllegalArgumentException("parallelism is 1 to 256, not " + threads);
            }
            this.parallelism = threads;
            return this;
        }

        /**
         * Sets how long a call of a store is tried again that has failed with a code that is
         * {@linkplain io.genievm.api.ErrorCode#retryable() retryable}, and no other: a lost connection, a time-out. The
         * pauses grow from 1/512 of this time to 1/8 of it, less up to half of each at random. It is also the most that all
         * calls of a repository together wait for a store that hardly answers at all; then each is tried once, until some
         * succeed. A task tells of what is tried again with {@link io.genievm.api.task.TaskEvent.Retried}, the log with a
         * warning. A pause ends at once when the task is cancelled or the repository closed;
         * what clears up after a cancellation waits 2 seconds in all at the most.
         *
         * <p>What is tried again never happens twice. The one put that is never tried again is that of a new point: when
         * its answer is lost, what is there is looked at.
         *
         * @param value 0 to one day; 0 to try everything once; one minute unless set
         * @return this builder
         * @throws IllegalArgumentException when it is out of bounds
         */
        public Builder storePatience(Duration value) {
            if (value.isNegative() || value.compareTo(Duration.ofDays(1)) > 0) {
                throw new IllegalArgumentException("the patience with stores is 0 to one day, not " + value);
            }
            this.storePatience = value;
            return this;
        }

        /** For tests of what becomes of a codec that errs. */
        Builder compressors(Function<Codec, Compressor> value) {
            this.compressors = value;
            return this;
        }

        /**
         * Opens it.
         *
         * @return owned and closed by the caller
         */
        public GenieVm open() {
            return new GenieVm(this);
        }
    }
}
