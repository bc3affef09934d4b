/**
 * Contract tests and fakes for those who write a driver or a store.
 *
 * <p>A store passes {@link io.genievm.testkit.BlobStoreContract}, a driver
 * {@link io.genievm.testkit.HypervisorProviderContract}: extend the class, say where to test, and run it with JUnit. The
 * names of the tests begin with the number of the rule in the package description of the interface.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.testkit;

import org.jspecify.annotations.NullMarked;
