/** Moves the data: backups from disks into a session, restores from a repository to disks. */
@NullMarked
package io.genievm.core.internal.copy;

import org.jspecify.annotations.NullMarked;
