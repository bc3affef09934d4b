/** Running, pausing and cancelling tasks, and telling what they do. */
@NullMarked
package io.genievm.core.internal.task;

import org.jspecify.annotations.NullMarked;
