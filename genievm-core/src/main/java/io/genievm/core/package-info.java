/** The front door of GenieVM: backup, restore, verification and listing of restore points. */
@NullMarked
package io.genievm.core;

import org.jspecify.annotations.NullMarked;
