/** Running, pausing, cancelling and retrying work. */
@NullMarked
package io.genievm.core.internal.task;

import org.jspecify.annotations.NullMarked;
