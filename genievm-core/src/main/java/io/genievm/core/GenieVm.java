package io.genievm.core;

import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreConfig;
import io.genievm.api.store.BlobStoreProvider;
import io.genievm.core.internal.engine.Engine;
import io.genievm.core.internal.spi.Providers;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
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
                builder.executor, builder.clock, builder.workDirectory, builder.memoryBudget, builder.parallelism);
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
        private long memoryBudget = 96L << 20;
        private int parallelism = Runtime.getRuntime().availableProcessors();

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
         * had; it comes to its end with one. Without an executor tasks run in daemon threads of their own, named
         * {@code genievm-…}.
         *
         * @param value runs commands in other threads, in any number, which nobody interrupts while a task works in them;
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
         * @param bytes at least 16 MiB; 96 MiB unless set
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
         * Opens it.
         *
         * @return owned and closed by the caller
         */
        public GenieVm open() {
            return new GenieVm(this);
        }
    }
}
