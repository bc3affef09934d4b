/** What modules of GenieVM share and nobody else is to use: it changes without notice. */
@NullMarked
package io.genievm.api.internal;

import org.jspecify.annotations.NullMarked;
