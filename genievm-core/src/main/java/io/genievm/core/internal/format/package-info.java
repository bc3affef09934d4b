/** Readers and writers of the bytes that {@code docs/format} specifies; nothing here talks to a store. */
@NullMarked
package io.genievm.core.internal.format;

import org.jspecify.annotations.NullMarked;
