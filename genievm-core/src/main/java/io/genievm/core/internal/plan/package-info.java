/** What is read of each disk, in which portions, and what it is compared with. */
@NullMarked
package io.genievm.core.internal.plan;

import org.jspecify.annotations.NullMarked;
