/**
 * What protects a guest from the death of the process that backs it up: a small process of its own that thaws and clears
 * up, and claims that tell the living from the dead.
 */
@NullMarked
package io.genievm.kvm.internal.guard;

import org.jspecify.annotations.NullMarked;
