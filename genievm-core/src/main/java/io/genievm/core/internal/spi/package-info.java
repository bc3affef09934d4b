/** Finds drivers and stores by the scheme of an address. */
@NullMarked
package io.genievm.core.internal.spi;

import org.jspecify.annotations.NullMarked;
