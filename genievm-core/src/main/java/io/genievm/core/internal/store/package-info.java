/** Decorators around every blob store: retry, throttle, metrics, read-only. */
@NullMarked
package io.genievm.core.internal.store;

import org.jspecify.annotations.NullMarked;
