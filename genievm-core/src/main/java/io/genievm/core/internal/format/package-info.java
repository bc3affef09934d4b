/** Readers and writers of everything that is kept: packs, segments, index tables, map pages, manifests. */
@NullMarked
package io.genievm.core.internal.format;

import org.jspecify.annotations.NullMarked;
