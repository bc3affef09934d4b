/** The SPI for blob stores: put-once bytes under a key. */
@NullMarked
package io.genievm.api.store;

import org.jspecify.annotations.NullMarked;
