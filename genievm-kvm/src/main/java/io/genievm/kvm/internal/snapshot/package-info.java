/** Snapshots of domains: of running ones by a backup job of QEMU's, of those that are shut off by qemu-nbd. */
@NullMarked
package io.genievm.kvm.internal.snapshot;

import org.jspecify.annotations.NullMarked;
