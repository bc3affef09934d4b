/** Private temporary files: merged index tables, sorted lists, spooled map pages. */
@NullMarked
package io.genievm.core.internal.work;

import org.jspecify.annotations.NullMarked;
