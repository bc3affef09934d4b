/** What is read of each disk. */
@NullMarked
package io.genievm.core.internal.plan;

import org.jspecify.annotations.NullMarked;
