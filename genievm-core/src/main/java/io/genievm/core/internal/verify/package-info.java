/** Checks repositories: that everything needed is there, and that every byte is what was written. */
@NullMarked
package io.genievm.core.internal.verify;

import org.jspecify.annotations.NullMarked;
