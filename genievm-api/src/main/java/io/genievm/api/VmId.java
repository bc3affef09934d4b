package io.genievm.api;

import java.io.Serializable;

/**
 * Names one VM of one hypervisor, stable over renames where the hypervisor has such an id.
 *
 * @param value 1 to 255 bytes of UTF-8 without control characters, {@code '/'} and {@code '\'}, and neither {@code "."}
 *     nor {@code ".."}; compared code unit by code unit
 * @since 0.1
 */
public record VmId(String value) implements Serializable {
    /**
     * Checks the value.
     *
     * @param value the id, see the record
     * @throws IllegalArgumentException when the value is not of that form
     */
    public VmId {
        Names.requireName("a VM id", value);
    }

    @Override
    public String toString() {
        return value;
    }
}
