/** Decorators around stores. */
@NullMarked
package io.genievm.core.internal.store;

import org.jspecify.annotations.NullMarked;
