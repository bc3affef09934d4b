/** The blob store in a local folder. */
@NullMarked
package io.genievm.storage.internal.local;

import org.jspecify.annotations.NullMarked;
