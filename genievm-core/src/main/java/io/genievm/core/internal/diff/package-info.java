/** Compares restore points by the pages of their chunk maps. */
@NullMarked
package io.genievm.core.internal.diff;

import org.jspecify.annotations.NullMarked;
