/**
 * Long-running work as its owner sees it: a handle to wait, cancel, pause and watch.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.api.task;

import org.jspecify.annotations.NullMarked;
