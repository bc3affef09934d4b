/** Finds drivers and stores by the scheme of an address, and makes the buffers that they are handed. */
@NullMarked
package io.genievm.core.internal.spi;

import org.jspecify.annotations.NullMarked;
