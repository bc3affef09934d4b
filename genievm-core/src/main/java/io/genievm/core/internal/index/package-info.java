/**
 * Where ids are: index tables copied into private files, merged, and looked up by positional reads, so that neither heap
 * nor mapped memory grows with the repository.
 */
@NullMarked
package io.genievm.core.internal.index;

import org.jspecify.annotations.NullMarked;
