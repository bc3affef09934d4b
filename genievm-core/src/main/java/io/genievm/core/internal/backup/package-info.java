/** Backs a VM up: plans what of each disk is read, audits what is not, and moves the rest into a session. */
@NullMarked
package io.genievm.core.internal.backup;

import org.jspecify.annotations.NullMarked;
