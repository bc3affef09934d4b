/** Sessions, commit, look-up and verification of a repository. */
@NullMarked
package io.genievm.core.internal.repository;

import org.jspecify.annotations.NullMarked;
