/** The SPI for hypervisor drivers: how a VM is frozen, described and read. */
@NullMarked
package io.genievm.api.hypervisor;

import org.jspecify.annotations.NullMarked;
