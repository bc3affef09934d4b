package io.genievm.api.store;

import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * Where a store is and how to talk to it. Immutable.
 *
 * @since 0.1
 */
public final class BlobStoreConfig {
    private static final Pattern SCHEME = Pattern.compile("[a-z][a-z0-9-]{0,31}:.*", Pattern.DOTALL);

    private final String address;
    private final Map<String, String> options;

    private BlobStoreConfig(String address, Map<String, String> options) {
        if (address.isEmpty()) {
            throw new IllegalArgumentException("an address is a folder or <scheme>:<rest>; it can not be empty");
        }
        this.address = address;
        this.options = Map.copyOf(options);
    }

    /**
     * Makes a configuration without options.
     *
     * @param address a folder, or {@code <scheme>:<rest>}; without secrets, as it is shown in messages
     * @return the configuration
     * @throws IllegalArgumentException when the address is empty
     */
    public static BlobStoreConfig of(String address) {
        return new BlobStoreConfig(address, Map.of());
    }

    /**
     * Makes a configuration with options. Each provider documents the names that it knows and refuses others.
     *
     * @param address a folder, or {@code <scheme>:<rest>}; without secrets
     * @param options name to value; values may be secrets, which {@link #toString()} does not show
     * @return the configuration
     * @throws IllegalArgumentException when the address is empty
     */
    public static BlobStoreConfig of(String address, Map<String, String> options) {
        return new BlobStoreConfig(address, options);
    }

    /**
     * The whole address as it was given.
     *
     * @return at least one character
     */
    public String address() {
        return address;
    }

    /**
     * The part before the first colon if that has the form of a scheme, otherwise {@code file}. A folder whose name
     * looks like that is given with a path before it: {@code ./a:b}.
     *
     * @return at least one character
     */
    public String scheme() {
        return SCHEME.matcher(address).matches() ? address.substring(0, address.indexOf(':')) : "file";
    }

    /**
     * The address without its scheme.
     *
     * @return possibly empty
     */
    public String rest() {
        return SCHEME.matcher(address).matches() ? address.substring(address.indexOf(':') + 1) : address;
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
