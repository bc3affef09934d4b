/** What the blob stores and the images driver share about files: errors, modes and durability. */
@NullMarked
package io.genievm.storage.internal.file;

import org.jspecify.annotations.NullMarked;
