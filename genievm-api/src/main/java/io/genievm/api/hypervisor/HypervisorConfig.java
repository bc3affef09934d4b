package io.genievm.api.hypervisor;

import java.util.Map;
import java.util.TreeMap;

/**
 * Where a hypervisor is and how to talk to it. Immutable.
 *
 * @since 0.1
 */
public final class HypervisorConfig {
    private final String address;
    private final Map<String, String> options;

    private HypervisorConfig(String address, Map<String, String> options) {
        int colon = address.indexOf(':');
        if (colon < 1) {
            throw new IllegalArgumentException(
                    "an address is <scheme>:<rest>, such as images:/srv/vms or qemu:///system: '" + address + "'");
        }
        this.address = address;
        this.options = Map.copyOf(options);
    }

    /**
     * Makes a configuration without options.
     *
     * @param address {@code <scheme>:<rest>}; without secrets, as it is shown in messages
     * @return the configuration
     * @throws IllegalArgumentException when there is no scheme
     */
    public static HypervisorConfig of(String address) {
        return new HypervisorConfig(address, Map.of());
    }

    /**
     * Makes a configuration with options. Each driver documents the names that it knows and refuses others.
     *
     * @param address {@code <scheme>:<rest>}; without secrets
     * @param options name to value; values may be secrets, which {@link #toString()} does not show
     * @return the configuration
     * @throws IllegalArgumentException when there is no scheme
     */
    public static HypervisorConfig of(String address, Map<String, String> options) {
        return new HypervisorConfig(address, options);
    }

    /**
     * The whole address.
     *
     * @return scheme, colon and rest
     */
    public String address() {
        return address;
    }

    /**
     * The part before the first colon.
     *
     * @return at least one character
     */
    public String scheme() {
        return address.substring(0, address.indexOf(':'));
    }

    /**
     * The part behind the first colon.
     *
     * @return possibly empty
     */
    public String rest() {
        return address.substring(address.indexOf(':') + 1);
    }

    /**
     * The options.
     *
     * @return name to value; immutable, possibly empty
     */
    public Map<String, String> options() {
        return options;
    }

    /** Shows the address and the names of the options, never a value. */
    @Override
    public String toString() {
        return address + " " + new TreeMap<>(options).keySet();
    }
}
