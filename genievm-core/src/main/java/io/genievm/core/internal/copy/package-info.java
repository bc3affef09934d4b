/** The parallel block-copy engine: buffers, workers, throttling. */
@NullMarked
package io.genievm.core.internal.copy;

import org.jspecify.annotations.NullMarked;
