/** What is read of each disk: plans, chunk bitmaps, audit stripes. */
@NullMarked
package io.genievm.core.internal.plan;

import org.jspecify.annotations.NullMarked;
