/**
 * The front door: open a repository, connect to a hypervisor, back up, list, restore, verify.
 *
 * <p>{@link io.genievm.core.GenieVm} is the entry point. Requests and reports are immutable and safe for use by any
 * thread. All sizes are bytes. Unless annotated {@code @Nullable}, nothing is ever {@code null}; collections may be
 * empty and are immutable. Everything that goes wrong outside the program is a
 * {@link io.genievm.api.GenieVmException}.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.core;

import org.jspecify.annotations.NullMarked;
