/** Contract tests and fakes for those who write a driver or a store. */
@NullMarked
package io.genievm.testkit;

import org.jspecify.annotations.NullMarked;
