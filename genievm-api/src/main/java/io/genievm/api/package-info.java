/**
 * Values and errors that every other package of GenieVM speaks in: ids, extents, warnings and the one exception type.
 *
 * <p>All offsets, lengths and capacities are bytes. Unless a parameter or result is annotated {@code @Nullable} it is
 * never {@code null}; collections may be empty, never {@code null}, and are immutable. All types here are immutable and
 * safe for use by any thread.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.api;

import org.jspecify.annotations.NullMarked;
