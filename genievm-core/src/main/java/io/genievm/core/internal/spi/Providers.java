package io.genievm.core.internal.spi;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorProvider;
import io.genievm.api.store.BlobStoreProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The drivers and stores: those that were handed in first, then those that {@link ServiceLoader} finds. */
public final class Providers {
    private static final Logger LOG = LoggerFactory.getLogger(Providers.class);

    private final List<HypervisorProvider> hypervisorProviders;
    private final List<BlobStoreProvider> storeProviders;
    private final @Nullable ClassLoader classLoader;

    /**
     * Holds what was handed in; nothing is searched before it is asked for.
     *
     * @param hypervisorProviders drivers that were handed in
     * @param storeProviders stores that were handed in
     * @param classLoader where to search, or {@code null} for the thread's
     */
    public Providers(
            List<HypervisorProvider> hypervisorProviders,
            List<BlobStoreProvider> storeProviders,
            @Nullable ClassLoader classLoader) {
        this.hypervisorProviders = List.copyOf(hypervisorProviders);
        this.storeProviders = List.copyOf(storeProviders);
        this.classLoader = classLoader;
    }

    /** Finds the driver for a scheme. */
    public HypervisorProvider hypervisor(String scheme) {
        return find(
                "hypervisor driver",
                hypervisorProviders,
                () -> load(HypervisorProvider.class),
                scheme,
                HypervisorProvider::schemes);
    }

    /** Finds the store for a scheme. */
    public BlobStoreProvider store(String scheme) {
        return find("store", storeProviders, () -> load(BlobStoreProvider.class), scheme, BlobStoreProvider::schemes);
    }

    private <T> Iterator<T> load(Class<T> type) {
        ClassLoader loader = classLoader;
        if (loader == null) {
            loader = Thread.currentThread().getContextClassLoader();
        }
        // ServiceLoader checks the caller's module: both types are named by `uses` of this module.
        return ServiceLoader.load(type, loader == null ? Providers.class.getClassLoader() : loader)
                .iterator();
    }

    private static <T> T find(
            String what, List<T> given, Supplier<Iterator<T>> loaded, String scheme, Function<T, Set<String>> schemes) {
        Set<String> known = new TreeSet<>();
        Predicate<T> serves = provider -> {
            known.addAll(schemes.apply(provider));
            return schemes.apply(provider).contains(scheme);
        };
        List<T> found = new ArrayList<>(given.stream().filter(serves).toList());
        if (found.isEmpty()) {
            Iterator<T> candidates = loaded.get();
            while (true) {
                try {
                    if (!candidates.hasNext()) {
                        break;
                    }
                    T candidate = candidates.next();
                    if (serves.test(candidate)) {
                        found.add(candidate);
                    }
                } catch (ServiceConfigurationError e) {
                    // One broken plug-in must not keep the others from working.
                    LOG.warn("a {} can not be loaded", what, e);
                }
            }
        }
        if (found.isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.UNSUPPORTED,
                    Resource.named(scheme),
                    "no " + what + " serves '" + scheme + ":'; known are " + String.join(", ", known)
                            + "; is its jar on the class path or module path?");
        }
        if (found.size() > 1) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(scheme),
                    "several " + what + "s serve '" + scheme + ":': "
                            + found.get(0).getClass().getName() + " and "
                            + found.get(1).getClass().getName());
        }
        return found.get(0);
    }
}
