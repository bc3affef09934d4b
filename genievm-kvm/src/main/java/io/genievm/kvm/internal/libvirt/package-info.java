/** The part of libvirt that the driver needs: connection, domains, jobs, checkpoints and their documents. */
@NullMarked
package io.genievm.kvm.internal.libvirt;

import org.jspecify.annotations.NullMarked;
