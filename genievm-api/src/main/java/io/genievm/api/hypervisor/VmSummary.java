package io.genievm.api.hypervisor;

import io.genievm.api.VmId;

/**
 * A VM as a list shows it.
 *
 * @param id its id
 * @param name its name for people; not unique, not necessarily the id
 * @since 0.1
 */
public record VmSummary(VmId id, String name) {}
