/**
 * Real guests for tests. Nothing here uses the driver: what it says is checked with other programs.
 */
@org.jspecify.annotations.NullMarked
package io.genievm.kvm.lab;
