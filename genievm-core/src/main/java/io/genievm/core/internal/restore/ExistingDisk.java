package io.genievm.core.internal.restore;

import io.genievm.api.hypervisor.DiskWriting;
import io.genievm.core.internal.format.Manifest;

/**
 * A disk that is there and is to become what a point has.
 *
 * @param description the point's
 * @param disk the open disk, of the same capacity
 */
record ExistingDisk(Manifest.Disk description, DiskWriting.WritableDisk disk) {}
