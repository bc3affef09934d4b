/** What the front door opens: repositories and the tasks that run on them. */
@NullMarked
package io.genievm.core.internal.engine;

import org.jspecify.annotations.NullMarked;
