/** Handles, listeners and progress of running work. */
@NullMarked
package io.genievm.api.task;

import org.jspecify.annotations.NullMarked;
