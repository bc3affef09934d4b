/** Values and errors that every other part of GenieVM speaks in: ids, extents, error codes. */
@NullMarked
package io.genievm.api;

import org.jspecify.annotations.NullMarked;
