/** The VMware driver. */
@NullMarked
package io.genievm.vmware.internal;

import org.jspecify.annotations.NullMarked;
