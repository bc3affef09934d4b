/** Reads the data of a point from its packs, each segment once, and restores it. */
@NullMarked
package io.genievm.core.internal.restore;

import org.jspecify.annotations.NullMarked;
