package io.genievm.testkit;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import io.genievm.api.hypervisor.HypervisorConfig;
import io.genievm.api.hypervisor.HypervisorConnection;
import io.genievm.api.hypervisor.HypervisorProvider;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Connects to {@link InMemoryHypervisor}s at addresses such as {@code memory:a}. Each provider has hypervisors of its own,
 * so it is handed to whoever needs it and not registered for {@link java.util.ServiceLoader}.
 *
 * @since 0.1
 */
public final class InMemoryHypervisorProvider implements HypervisorProvider {
    static final String NAME = "memory";

    private final Map<String, InMemoryHypervisor> hypervisors = new ConcurrentHashMap<>();

    /** Makes a provider without hypervisors. */
    public InMemoryHypervisorProvider() {}

    /**
     * Gives the hypervisor at an address, which is made when it is first asked for.
     *
     * @param place the address without its scheme
     * @return always the same
     */
    public InMemoryHypervisor hypervisor(String place) {
        return hypervisors.computeIfAbsent(place, any -> new InMemoryHypervisor());
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public Set<String> schemes() {
        return Set.of(NAME);
    }

    @Override
    public HypervisorConnection open(HypervisorConfig config) {
        if (!config.options().isEmpty()) {
            throw new GenieVmException(
                    ErrorCode.INVALID_ARGUMENT,
                    Resource.named(config.address()),
                    "a hypervisor in memory has no options; remove "
                            + config.options().keySet());
        }
        InMemoryHypervisor hypervisor = hypervisors.get(config.rest());
        if (hypervisor == null) {
            throw new GenieVmException(
                    ErrorCode.NOT_FOUND, Resource.named(config.address()), "there is no " + config.address());
        }
        return hypervisor.connect();
    }
}
