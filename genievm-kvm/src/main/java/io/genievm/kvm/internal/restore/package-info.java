/** Makes domains out of restore points, and writes over the disks of those that are there. */
@NullMarked
package io.genievm.kvm.internal.restore;

import org.jspecify.annotations.NullMarked;
