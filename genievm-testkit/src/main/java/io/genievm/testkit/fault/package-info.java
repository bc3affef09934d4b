/**
 * Injected faults: what a store does wrong, and when. {@link io.genievm.testkit.fault.FaultyBlobStore} stands between a store
 * and whoever uses it, and does what a {@link io.genievm.testkit.fault.FaultScript} says.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.testkit.fault;

import org.jspecify.annotations.NullMarked;
