/** Injected faults: what a store or a disk does wrong, and when. */
@NullMarked
package io.genievm.testkit.fault;

import org.jspecify.annotations.NullMarked;
