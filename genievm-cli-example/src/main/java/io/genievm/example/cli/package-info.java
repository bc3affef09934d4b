/** The example command line. */
@NullMarked
package io.genievm.example.cli;

import org.jspecify.annotations.NullMarked;
