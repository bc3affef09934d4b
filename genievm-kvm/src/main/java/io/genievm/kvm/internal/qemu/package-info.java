/** QEMU's own tools as child processes: {@code qemu-img} and {@code qemu-nbd}. */
@NullMarked
package io.genievm.kvm.internal.qemu;

import org.jspecify.annotations.NullMarked;
