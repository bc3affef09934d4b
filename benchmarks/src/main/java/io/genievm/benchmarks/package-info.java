/** JMH benchmarks of the hot paths. */
@NullMarked
package io.genievm.benchmarks;

import org.jspecify.annotations.NullMarked;
