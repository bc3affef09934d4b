/** Finds drivers and stores by name. */
@NullMarked
package io.genievm.core.internal.spi;

import org.jspecify.annotations.NullMarked;
