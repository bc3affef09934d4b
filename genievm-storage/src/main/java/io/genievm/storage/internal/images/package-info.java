/** The images driver: a folder of disk images as a hypervisor. */
@NullMarked
package io.genievm.storage.internal.images;

import org.jspecify.annotations.NullMarked;
