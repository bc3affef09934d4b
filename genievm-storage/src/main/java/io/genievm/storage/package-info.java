/** Configuration of the blob stores and of the images driver. */
@NullMarked
package io.genievm.storage;

import org.jspecify.annotations.NullMarked;
