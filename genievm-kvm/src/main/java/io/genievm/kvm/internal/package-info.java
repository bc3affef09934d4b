/** The KVM driver. */
@NullMarked
package io.genievm.kvm.internal;

import org.jspecify.annotations.NullMarked;
