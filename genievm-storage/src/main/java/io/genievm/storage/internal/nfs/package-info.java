/** The blob store in a folder of an NFS mount. */
@NullMarked
package io.genievm.storage.internal.nfs;

import org.jspecify.annotations.NullMarked;
