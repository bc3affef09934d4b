/** What a repository is made of and the rules for reading and writing it: sessions, packs being written, maps, points. */
@NullMarked
package io.genievm.core.internal.repository;

import org.jspecify.annotations.NullMarked;
